import { shortLine } from '../../results/shorten.ts';
import { SubagentConfig } from '../subagent-record.ts';
import { thinkingChoices, thinkingIn } from '../thinking.ts';
import { shellWords, type Word, wordsOf } from './command-words.ts';

/** What a person says of a sub-agent. */
type SpawnFlags = Partial<
  Pick<
    SubagentConfig,
    'model' | 'thinking' | 'skills' | 'mode' | 'cleanup' | 'specialization' | 'keywords' | 'routing' | 'autoRoute'
  >
>;

/** What a person asks for. */
export type ChatCommand =
  | { verb: 'list' }
  | { verb: 'help' }
  | { verb: 'spawn'; task: string; name?: string; config: SpawnFlags }
  | { verb: 'resume'; name: string; task: string }
  /** `null`: all. */
  | { verb: 'cancel'; agentId: string | null }
  | { verb: 'steer'; agentId: string; message: string }
  | { verb: 'info'; agentId: string }
  /** Something is missing of the command `of`; `null`: there is no such command. */
  | { verb: 'usage'; of: 'spawn' | 'resume' | 'cancel' | 'steer' | 'info' | null }
  /** A flag that cannot be taken, in a sentence. */
  | { verb: 'invalid'; problem: string };

/** What the flags of `spawn` have said so far. */
type Said = { name?: string; config: SpawnFlags };

/** A value that a flag takes, or what is expected in its place. */
type Flag = {
  /** `word`: the next one. `words`: all up to the next flag. `switch`: none. `maybe`: none, or {@link isOnOff}. */
  takes: 'word' | 'words' | 'switch' | 'maybe';
  /** Writes down what it says, or gives what was expected. */
  say(value: string, said: Said): string | undefined;
};

const choice = <Key extends 'mode' | 'cleanup' | 'routing'>(key: Key): Flag => ({
  takes: 'word',
  say(value, { config }) {
    const read = SubagentConfig.shape[key].safeParse(value.toLowerCase());
    if (!read.success) return SubagentConfig.shape[key].options.join(' or ');
    config[key] = read.data as SpawnFlags[Key];
  },
});

const yes = new Set(['on', 'true', 'yes', '1']);
const no = new Set(['off', 'false', 'no', '0']);

const onOffFlag = (key: 'skills' | 'autoRoute', takes: 'switch' | 'maybe'): Flag => ({
  takes,
  say(value, { config }) {
    const word = value.toLowerCase();
    if (!yes.has(word) && !no.has(word)) return 'on or off';
    config[key] = yes.has(word);
  },
});

const text = (key: 'model' | 'specialization', takes: 'word' | 'words' = 'word'): Flag => ({
  takes,
  say(value, { config }) {
    config[key] = value;
  },
});

const flags: ReadonlyMap<string, Flag> = new Map<string, Flag>([
  ['--model', text('model')],
  [
    '--thinking',
    {
      takes: 'word',
      say(value, { config }) {
        const thinking = thinkingIn(value);
        if (thinking === undefined) return thinkingChoices;
        config.thinking = thinking;
      },
    },
  ],
  ['--skills', onOffFlag('skills', 'maybe')],
  [
    '--no-skills',
    {
      takes: 'switch',
      say(value, { config }) {
        if (value !== 'on') return 'no value';
        config.skills = false;
      },
    },
  ],
  ['--mode', choice('mode')],
  [
    '--name',
    {
      takes: 'word',
      say(value, said) {
        said.name = value;
      },
    },
  ],
  ['--cleanup', choice('cleanup')],
  ['--specialization', text('specialization', 'words')],
  [
    '--keywords',
    {
      takes: 'words',
      say(value, { config }) {
        const keywords = value.split(',').flatMap((keyword) => keyword.replaceAll(/\s+/g, ' ').trim() || []);
        if (keywords.length === 0) return 'words, separated by commas';
        config.keywords = keywords;
      },
    },
  ],
  ['--routing', choice('routing')],
  ['--auto-route', onOffFlag('autoRoute', 'switch')],
]);

/** Whether a word is the value of a flag before it, and not the first one of a task, like "No" or "1" or "On Monday": as it is written in `help`. */
const isOnOff = ({ text, isQuoted }: Word): boolean => !isQuoted && /^(?:on|off|ON|OFF)$/.test(text);

const isFlag = ({ text, isQuoted }: Word): boolean => !isQuoted && /^--(?:[a-z]|$)/i.test(text);

/** Several words as they were typed; a single one without its quotes. */
const typed = (line: string, words: readonly Word[]): string => {
  const [first, ...more] = words;
  if (!first) return '';
  return more.length === 0 ? first.text : line.slice(first.start, more.at(-1)?.end);
};

/** How many words from `from` on are no flags. */
const plainFrom = (words: readonly Word[], from: number): number => {
  let at = from;
  for (let word = words[at]; word && !isFlag(word); word = words[at]) at += 1;
  return at - from;
};

const invalid = (flag: string, problem: string): ChatCommand => ({
  verb: 'invalid',
  problem: `Invalid ${flag}: ${problem}`,
});

const spawnIn = (line: string, words: readonly Word[]): ChatCommand => {
  const said: Said = { config: {} };
  const task: string[] = [];
  let at = 0;
  while (at < words.length) {
    const word = words[at] as Word;
    if (!isFlag(word)) {
      let end = at + plainFrom(words, at);
      // Between words of a task it is a dash.
      while (words[end]?.text === '--') end += 1 + plainFrom(words, end + 1);
      task.push(typed(line, words.slice(at, end)));
      at = end;
      continue;
    }
    at += 1;
    if (word.text === '--') {
      task.push(typed(line, words.slice(at)));
      break;
    }
    const [, written = '', given] = /^([^=]+)(?:=([\s\S]*))?$/.exec(word.text) ?? [];
    const name = written.toLowerCase();
    const flag = flags.get(name);
    if (!flag)
      return invalid(
        name,
        `there is no such flag. Put -- before a task that begins with one, or quotes around it. Flags: ${[...flags.keys()].join(' ')}`,
      );
    let value = given;
    if (value === undefined) {
      const following = plainFrom(words, at);
      const onOff = words.slice(at, at + 1).filter(isOnOff).length;
      const taken = { word: Math.min(following, 1), words: following, switch: 0, maybe: onOff }[flag.takes];
      const isNothing = taken === 0 && (flag.takes === 'switch' || flag.takes === 'maybe');
      value = isNothing ? 'on' : typed(line, words.slice(at, at + taken));
      at += taken;
    }
    if (value.trim() === '') return invalid(name, 'its value is missing.');
    const expected = flag.say(value.trim(), said);
    if (expected !== undefined) return invalid(name, `"${shortLine(value, 60)}". Expected ${expected}.`);
  }
  const whole = task.join(' ').trim();
  return whole === '' ? { verb: 'usage', of: 'spawn' } : { verb: 'spawn', task: whole, ...said };
};

/**
 * What a text asks for, or `null` for one that is no command: it begins neither with `/subagents` nor with `/agents`. Anything else is
 * understood, or says what is wrong. A list: what stands behind that, as a shell has cut it.
 */
export const parseCommand = (said: string | readonly string[]): ChatCommand | null => {
  if (typeof said !== 'string') return commandIn(said.join(' '), shellWords(said));
  const [called, ...words] = wordsOf(said);
  if (!called || called.isQuoted || !/^\/(?:sub)?agents$/i.test(called.text)) return null;
  return commandIn(said, words);
};

const commandIn = (line: string, [verb, ...words]: readonly Word[]): ChatCommand => {
  const [first, ...others] = words;
  const rest = typed(line, others).trim();
  switch (verb?.text.toLowerCase()) {
    case undefined:
    case 'list':
    case 'ls':
      return { verb: 'list' };
    case 'help':
      return { verb: 'help' };
    case 'spawn':
      return spawnIn(line, words);
    case 'resume':
      return first && rest !== '' ? { verb: 'resume', name: first.text, task: rest } : { verb: 'usage', of: 'resume' };
    case 'cancel':
    case 'kill':
      return first && rest === ''
        ? { verb: 'cancel', agentId: first.text.toLowerCase() === 'all' ? null : first.text }
        : { verb: 'usage', of: 'cancel' };
    case 'steer':
      return first && rest !== ''
        ? { verb: 'steer', agentId: first.text, message: rest }
        : { verb: 'usage', of: 'steer' };
    case 'info':
      return first && rest === '' ? { verb: 'info', agentId: first.text } : { verb: 'usage', of: 'info' };
    default:
      return { verb: 'usage', of: null };
  }
};
