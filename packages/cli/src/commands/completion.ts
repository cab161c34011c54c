/** Completion in shells. The scripts ask `troupe complete` what may come next, so that they never say anything else than the commands do. */

import { existsSync } from 'node:fs';
import { isEnded, unfinished } from '@troupe/protocol';
import type { Command, Option } from 'commander';
import { exitCode } from '../exit-code.ts';
import type { Terminal } from '../terminal.ts';
import { oneLine } from '../text-width.ts';
import type { Action } from './asked.ts';
import { openStore, storePlaceOf } from './open-store.ts';
import { misuse } from './problem.ts';

const scripts: Record<string, string> = {
  bash: `# troupe completion bash > ~/.local/share/bash-completion/completions/troupe
_troupe() {
  local line piece rest=$COMP_LINE last=-1
  local -a words
  # Bash breaks words at = and : and @, too. Pieces that stand together are one word.
  for piece in "\${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    if (( last < 0 )) || [[ $rest == [[:space:]]* ]]; then words[++last]=; fi
    words[last]+=$piece
    rest=\${rest#"\${rest%%[![:space:]]*}"}
    rest=\${rest#"$piece"}
  done
  # It replaces the last piece only, and nothing of a break.
  [[ $piece == [=:@]* ]] && piece=
  local kept=\${words[last]%"$piece"}
  COMPREPLY=()
  while IFS= read -r line; do
    line=\${line%%$'\\t'*}
    COMPREPLY+=("\${line#"$kept"}")
  done < <(troupe complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _troupe troupe`,
  zsh: `#compdef troupe
# troupe completion zsh > ~/.zfunc/_troupe, with that folder in fpath before compinit
_troupe() {
  local -a found said
  local line
  for line in "\${(@f)$(troupe complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n "$line" ]] || continue
    found+=("\${line%%$'\\t'*}")
    said+=("\${line/$'\\t'/  -- }")
  done
  if (( \${#found} )); then compadd -d said -a found; else compset -P 1 '[-][-]*='; _files; fi
}
if [[ "\${funcstack[1]}" = _troupe ]]; then _troupe "$@"; else compdef _troupe troupe; fi`,
  fish: `# troupe completion fish > ~/.config/fish/completions/troupe.fish
function __troupe_complete
  set -l said (commandline -opc)
  troupe complete -- $said[2..] (commandline -ct) 2>/dev/null
end
complete -c troupe -a '(__troupe_complete)'`,
};

/** Prints the script for a shell. */
export const completion: Action<[shell: string]> = async ({ args: [shell], terminal }) => {
  const script = scripts[shell];
  if (script === undefined)
    throw misuse(`There is no completion for "${shell}". Expected one of: ${Object.keys(scripts).join(', ')}.`);
  terminal.output.write(`${script}\n`);
  return exitCode.done;
};

type Candidate = { value: string; about: string };

/** What the last of these words may become, one candidate a line, with what it is behind a tab. */
export const complete = async (program: Command, words: readonly string[], terminal: Terminal): Promise<number> => {
  const typed = words.at(-1) ?? '';
  const found = await candidatesFor(program, words.slice(0, -1), typed, terminal);
  for (const { value, about } of found)
    if (value.startsWith(typed)) terminal.output.write(`${value}\t${oneLine(about)}\n`);
  return exitCode.done;
};

const candidatesFor = async (
  program: Command,
  before: readonly string[],
  typed: string,
  terminal: Terminal,
): Promise<Candidate[]> => {
  const { command, place, awaits, store } = walk(program, before);
  if (awaits) return choicesOf(awaits.argChoices);
  const { flag, value } = flagIn(typed);
  if (value !== undefined) return choicesOf(optionOf(command, flag)?.argChoices, `${flag}=`);
  if (typed.startsWith('-')) return command.options.filter(({ hidden }) => !hidden).map(candidateOf);
  const below = command.commands.filter((each) => !('_hidden' in each && each._hidden));
  if (below.length > 0 && place === 0) return below.map((each) => ({ value: each.name(), about: each.description() }));
  const argument = command.registeredArguments[Math.min(place, command.registeredArguments.length - 1)];
  if (!argument || (place >= command.registeredArguments.length && !argument.variadic)) return [];
  if (argument.argChoices) return choicesOf(argument.argChoices);
  if (argument.name() === 'run') return runsIn(store, terminal);
  return [];
};

const choicesOf = (choices: readonly string[] = [], behind = ''): Candidate[] =>
  choices.map((value) => ({ value: behind + value, about: '' }));
const candidateOf = (option: Option): Candidate => ({
  value: option.long ?? option.short ?? '',
  about: option.description,
});

/** A flag, and what stands behind its `=` if it has one. */
const flagIn = (word: string): { flag: string; value?: string } => {
  const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
  return flag === undefined || value === undefined ? { flag: word } : { flag, value };
};
const optionOf = (command: Command, flag: string): Option | undefined =>
  command.options.find(({ long, short }) => flag === long || flag === short);

/** The command that the words lead to, how many arguments it has already, and the option that waits for a value. */
const walk = (program: Command, before: readonly string[]) => {
  let command = program;
  let place = 0;
  let awaits: Option | undefined;
  let store: string | undefined;
  for (const word of before) {
    if (awaits) {
      if (awaits.long === '--store') store = word;
      awaits = undefined;
    } else if (word.startsWith('-')) {
      const { flag, value } = flagIn(word);
      const option = optionOf(command, flag);
      if (value === undefined && option?.required) awaits = option;
      if (value !== undefined && option?.long === '--store') store = value;
    } else {
      const next = place === 0 ? command.commands.find((each) => each.name() === word) : undefined;
      if (next) command = next;
      else place += 1;
    }
  }
  return { command, place, awaits, store };
};

/** How long a database may take to answer somebody who types. */
const mostMs = 1_000;

/** Runs that may be meant: those that have not ended first, and no more than one can choose from. */
const runsIn = async (named: string | undefined, terminal: Terminal): Promise<Candidate[]> => {
  const place = storePlaceOf(named, terminal);
  if (place.kind === 'file' && !existsSync(place.path)) return [];
  const store = await openStore(place, false, mostMs);
  try {
    const open = await store.list({ status: unfinished, limit: 50 });
    const rows = [...open, ...(await store.list({ limit: 50 })).filter(({ status }) => isEnded(status))];
    return rows
      .filter(({ parentId }) => parentId === undefined)
      .map(({ runId, agent, status, job }) => ({
        value: runId,
        about: `${agent}, ${status}: ${typeof job.input === 'string' ? job.input.slice(0, 60) : 'data'}`,
      }));
  } finally {
    void store.close();
  }
};
