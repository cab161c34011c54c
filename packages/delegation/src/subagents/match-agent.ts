/**
 * Whom a text is meant for. Nothing here, and nothing in a runtime, routes: a program that wants to asks, and does with the answer what it
 * likes. The same text and profiles give the same answer, in whatever order the profiles stand.
 *
 * How texts are compared: compatible forms of a character are one (NFKC), case does not matter, and neither does what is no letter, mark or
 * digit. Words are what stands between; Chinese, Japanese and Korean stand without or with other blanks than words, and are taken apart:
 * a *phrase* is found character by character there, word by word elsewhere, and *words* that are shared are pairs of characters there.
 * Words of one character, and some that are in every sentence, are never shared. Words are not reduced to stems.
 */
import { shortLine } from '../results/shorten.ts';

/** Somebody a text may be meant for, for example a sub-agent: `{ name, ...config }`. */
export type AgentProfile = {
  readonly name: string;
  readonly specialization?: string | undefined;
  readonly keywords?: readonly string[] | undefined;
  readonly examples?: readonly string[] | undefined;
  /** `false`: nothing is meant for it. Default true. */
  readonly autoRoute?: boolean | undefined;
};

/** Whom a text is meant for, how sure that is, and what speaks for it. */
export type AgentMatch = { name: string; score: number; reasons: string[] };

const points = {
  name: 12,
  keyword: 6,
  keywordWords: 4,
  keywordPairs: 5,
  /** For each word that is shared, and at most. */
  specialization: 1,
  mostSpecialization: 5,
  example: 3,
  exampleWords: 2,
} as const;
/** More than a specialization gives: it takes a name, a keyword or an example, too. */
const leastScore = 7;
/** The best must be ahead of the next by more than this. */
const leastLead = 2;

const letters = String.raw`[\p{L}\p{M}\p{N}]`;
const eastern = String.raw`[[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}]&&${letters}]`;
const stretches = new RegExp(`(?<eastern>${eastern}+)|[${letters}--${eastern}]+`, 'gv');
const isEastern = new RegExp(eastern, 'v');

const everywhere = new Set(
  'a an and any are as at be but by can could do for from has have help how i if in is it its me my not of on or our please should so some that the their them then there these this to use us want was we what when which who will with would you your'.split(
    ' ',
  ),
);
/** What holds a Chinese word that is in every sentence, or the Japanese of endings and particles, is in every sentence, too. */
const everywhereEastern =
  /[的了是在和与也就都把被那我你您他她它们吗呢吧啊请帮个么]|\p{sc=Hira}|니다|습니|합니|입니|세요|주세|하는/u;

type Reading = {
  text: string;
  /** One after the other: words, and single characters where words have no borders. */
  units: readonly string[];
  /** What can be shared. */
  words: ReadonlySet<string>;
};

const pairsOf = (characters: readonly string[]): string[] =>
  characters.slice(1).flatMap((second, i) => {
    const pair = `${characters[i]}${second}`;
    return everywhereEastern.test(pair) ? [] : [pair];
  });

const readingOf = (text: string): Reading => {
  const units: string[] = [];
  const words = new Set<string>();
  for (const { 0: stretch, groups } of text.normalize('NFKC').toLowerCase().matchAll(stretches)) {
    if (groups?.eastern === undefined) {
      units.push(stretch);
      if (stretch.length > 1 && !everywhere.has(stretch)) words.add(stretch);
      continue;
    }
    const characters = Array.from(stretch);
    for (const character of characters) units.push(character);
    for (const pair of pairsOf(characters)) words.add(pair);
  }
  return { text, units, words };
};

/** Where a phrase stands in a text: the places of its first units. */
const placesOf = (phrase: readonly string[], { units }: Reading): number[] =>
  phrase.length === 0
    ? []
    : units.flatMap((unit, at) =>
        unit === phrase[0] && phrase.every((each, i) => each === units[at + i]) ? [at] : [],
      );

const sharedOf = (a: Reading, b: Reading): string[] => [...a.words].filter((word) => b.words.has(word));

type Candidate = { profile: AgentProfile; isNamed: boolean };
type Hit = { score: number; reason: string };

/** Those that a text may be meant for, and whether each is named, elsewhere than in the longer name of another. */
const candidatesFor = (text: Reading, profiles: readonly AgentProfile[]): Candidate[] => {
  const candidates = profiles
    .filter(({ autoRoute }) => autoRoute !== false)
    .map((profile): Candidate => ({ profile, isNamed: false }));
  const spans = candidates.flatMap((candidate) => {
    const { units } = readingOf(candidate.profile.name);
    return placesOf(units, text).map((from) => ({ candidate, from, to: from + units.length }));
  });
  // Who begins first, and of those the longest, is first: what reaches farthest so far is what a later one may lie in.
  let farthest = { from: 0, to: 0 };
  for (const span of spans.toSorted((a, b) => a.from - b.from || b.to - a.to)) {
    const isInside = farthest.to > span.to || (farthest.to === span.to && farthest.from < span.from);
    if (!isInside) span.candidate.isNamed = true;
    if (span.to > farthest.to) farthest = span;
  }
  return candidates;
};

const keywordHit = (keyword: Reading, text: Reading): Hit[] => {
  const quoted = `"${shortLine(keyword.text, 60)}"`;
  if (placesOf(keyword.units, text).length > 0) return [{ score: points.keyword, reason: `keyword ${quoted}` }];
  const shared = sharedOf(keyword, text);
  if (shared.length * 2 <= keyword.words.size) return [];
  const score = shared.some((word) => isEastern.test(word)) ? points.keywordPairs : points.keywordWords;
  return [{ score, reason: `words of the keyword ${quoted}: ${shared.join(', ')}` }];
};

const specializationHit = (specialization: Reading, text: Reading): Hit[] => {
  const shared = sharedOf(specialization, text);
  if (shared.length === 0) return [];
  const score = Math.min(shared.length * points.specialization, points.mostSpecialization);
  return [{ score, reason: `specialization: ${shared.join(', ')}` }];
};

/** The example that is most like the text. */
const exampleHit = (examples: readonly Reading[], text: Reading): Hit[] => {
  let best: Hit | undefined;
  for (const example of examples) {
    const shared = sharedOf(example, text).length;
    const isLike = placesOf(example.units, text).length > 0 || (shared > 1 && shared * 2 > example.words.size);
    if (!isLike && shared < 2) continue;
    const score = isLike ? points.example : points.exampleWords;
    if (score > (best?.score ?? 0)) best = { score, reason: `like "${shortLine(example.text, 60)}"` };
  }
  return best ? [best] : [];
};

/** The same without those that say the same. */
const distinct = (readings: readonly Reading[]): Reading[] => [
  ...new Map(readings.map((reading) => [reading.units.join(' '), reading])).values(),
];

const weigh = ({ profile, isNamed }: Candidate, text: Reading): AgentMatch => {
  const { name, specialization = '', keywords = [], examples = [] } = profile;
  const hits: Hit[] = [
    ...(isNamed ? [{ score: points.name, reason: 'its name' }] : []),
    ...distinct(keywords.map(readingOf)).flatMap((keyword) => keywordHit(keyword, text)),
    ...exampleHit(examples.map(readingOf), text),
    ...specializationHit(readingOf(specialization), text),
  ];
  return { name, score: hits.reduce((sum, { score }) => sum + score, 0), reasons: hits.map(({ reason }) => reason) };
};

/**
 * Whom a text is meant for, or `null` when that is not clear: nobody is named, nor has a keyword or an example that fits; what speaks for
 * the best is less than 7 points; or somebody else comes within 2 points of it.
 *
 * Its name in the text counts 12; each keyword 6, or 4 where only more than half of its words are shared (5 in Chinese, Japanese and
 * Korean); the example that is most like the text 3, or 2 where two words are shared; each word of the specialization 1, 5 at most.
 */
export const matchAgent = (text: string, profiles: readonly AgentProfile[]): AgentMatch | null => {
  const reading = readingOf(text);
  const [best, next] = candidatesFor(reading, profiles)
    .map((candidate) => weigh(candidate, reading))
    .toSorted((a, b) => b.score - a.score);
  if (!best || best.score < leastScore) return null;
  return best.score - (next?.score ?? 0) > leastLead ? best : null;
};
