import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AgentProfile, matchAgent } from '../../src/index.ts';

const literature: AgentProfile = {
  name: 'literature-subagent',
  specialization: 'Finds literature and checks citations.',
  keywords: ['literature search', 'citations'],
  examples: ['Which papers cite this one?'],
};
const reports: AgentProfile = {
  name: 'weekly-reports',
  specialization: 'Summarizes weekly engineering status.',
  keywords: ['status report'],
};
const all = [literature, reports];

/** Points for this text where there is nobody else; a name gives 12, so that all else shows. */
const pointsOf = (text: string, profile: Partial<AgentProfile>) =>
  (matchAgent(`zero: ${text}`, [{ name: 'zero', ...profile }])?.score ?? 0) - 12;

describe('whom a text is meant for', () => {
  test('is said with points and reasons [SB-180, SB-181]', () => {
    expect(matchAgent('Please do a literature search on quantum dots.', all)).toEqual({
      name: 'literature-subagent',
      score: 7,
      reasons: ['keyword "literature search"', 'specialization: literature'],
    });
    expect(matchAgent('Ask Weekly Reports to begin!', all)).toEqual({
      name: 'weekly-reports',
      score: 13,
      reasons: ['its name', 'specialization: weekly'],
    });
  });

  test('is nobody where nothing fits, or nobody is there [SB-181]', () => {
    for (const text of ['', '...', 'Good morning!', 'What is it for?']) expect(matchAgent(text, all)).toBeNull();
    expect(matchAgent('literature search', [])).toBeNull();
  });

  test('is nobody that no program may route to, and those do not stand in the way of others [SB-180]', () => {
    const text = 'literature search with citations';
    expect(matchAgent(text, [{ ...literature, autoRoute: false }])).toBeNull();
    expect(matchAgent(text, [{ ...literature, autoRoute: false, name: 'other' }, literature])?.name).toBe(
      literature.name,
    );
    expect(matchAgent(text, [{ ...literature, autoRoute: true }])?.name).toBe(literature.name);
  });

  test('is found by what is stored of sub-agents, and nothing else is needed [SB-182]', () => {
    const stored: AgentProfile[] = JSON.parse(JSON.stringify(all));
    expect(matchAgent('A literature search.', stored)?.name).toBe('literature-subagent');
  });

  test('needs 7 points [SB-181]', () => {
    const keywords = ['tax'];
    expect(matchAgent('a tax question', [{ name: 'x', keywords }])).toBeNull();
    expect(matchAgent('a tax question', [{ name: 'x', keywords, specialization: 'tax' }])?.score).toBe(7);
  });

  test('needs a name, a keyword or an example: a specialization alone is not enough [SB-181]', () => {
    const specialization = 'one two three four five six seven eight';
    expect(matchAgent(specialization, [{ name: 'x', specialization }])).toBeNull();
    expect(matchAgent(specialization, [{ name: 'x', specialization, examples: ['seven eight'] }])?.score).toBe(8);
  });

  test('needs a lead of more than 2 over everybody else; of two equal specialists it is neither [SB-181]', () => {
    const text = 'tax law, one two three four';
    const best = { name: 'x', keywords: ['tax', 'law'] };
    expect(matchAgent(text, [best, { ...best, name: 'y' }])).toBeNull();
    const next = (specialization: string) => ({ name: 'y', keywords: ['tax'], specialization });
    expect(matchAgent(text, [best, next('one two three')])).toMatchObject({ name: 'x', score: 12 });
    expect(matchAgent(text, [best, next('one two three four')])).toBeNull();
  });
});

describe('what speaks for somebody', () => {
  test.each([
    ['ask Tax_Law', 12],
    ['ask the tax law agent', 12],
    ['taxlaw', 0],
    ['tax and law', 0],
    ['syntax lawyer', 0],
  ])('is the whole name: "%s" gives %i [SB-180]', (text, score) => {
    expect(matchAgent(text, [{ name: 'tax-law' }])?.score ?? 0).toBe(score);
  });

  test('is not a name inside the longer name of another [SB-180]', () => {
    const profiles = [{ name: 'helper' }, { name: 'research' }, { name: 'research-helper' }];
    expect(matchAgent('Ask research-helper.', profiles)?.name).toBe('research-helper');
    expect(matchAgent('Ask research.', profiles)?.name).toBe('research');
    expect(matchAgent('Ask research or research-helper.', profiles)).toBeNull();
  });

  test.each([
    ['status report', 6],
    ['The STATUS—report!', 6],
    ['status reports', 0],
    ['a report on the status', 4],
    ['the status', 0],
  ])('is a keyword, or more than half of its words: "%s" gives %i [SB-180]', (text, score) => {
    expect(pointsOf(text, { keywords: ['status report'] })).toBe(score);
  });

  test('is each keyword once, however often it is there', () => {
    expect(pointsOf('law, tax, law', { keywords: ['law', 'Law!', 'tax', '', '?'] })).toBe(12);
  });

  test.each([
    ['文献检索', 6],
    ['请文献检索一下', 6],
    ['帮我检索最近的文献', 5],
    ['检索', 0],
    ['我的文，献', 0],
  ])('is found without blanks between words, by pairs of characters: "%s" gives %i [SB-180]', (text, score) => {
    expect(pointsOf(text, { keywords: ['文献检索'] })).toBe(score);
  });

  test.each([
    ['データ分析', 'ﾃﾞｰﾀ分析をして', 6],
    ['文献 검색', '검색은 문헌', 0],
    ['문헌 검색', '검색을 하고, 문헌을 찾아 주세요', 5],
    ['してください', '調べてください', 0],
  ])(
    'is found in Japanese and Korean, however it is written, and not by endings: "%s" in "%s" gives %i [SB-180]',
    (keyword, text, score) => {
      expect(pointsOf(text, { keywords: [keyword] })).toBe(score);
    },
  );

  test.each([
    ['one', 1],
    ['one two', 2],
    ['one two three four five six seven', 5],
    ['the and for you', 0],
  ])(
    'is each word of the specialization, 5 at most, and no word that is in every sentence: "%s" gives %i [SB-180]',
    (text, score) => {
      expect(pointsOf(text, { specialization: 'The one two three four five six seven for you and me' })).toBe(score);
    },
  );

  test.each([
    ['Which papers cite this book on birds?', 3],
    ['Which papers cite our old results?', 2],
    ['papers', 0],
  ])('is the example that is most like it: "%s" gives %i [SB-180]', (text, score) => {
    const examples = ['Are there papers about dogs that cite a cat or two?', 'Which papers cite this book on birds?'];
    expect(pointsOf(text, { examples })).toBe(score);
    expect(pointsOf(text, { examples: examples.toReversed() })).toBe(score);
  });

  test('is a short example where all of it is there [SB-180]', () => {
    expect(pointsOf('Please translate.', { examples: ['translate'] })).toBe(3);
  });
});

describe('for all texts and profiles', () => {
  const word = fc.constantFrom('tax', 'law', 'report', 'status', 'search', '文献', '检索', 'the', 'zero', 'one');
  const phrase = fc.array(word, { maxLength: 5 }).map((words) => words.join(' '));
  const profile = fc.record(
    {
      name: fc.constantFrom('zero', 'one', 'tax-law', 'law', '文献'),
      specialization: phrase,
      keywords: fc.array(phrase, { maxLength: 3 }),
      examples: fc.array(phrase, { maxLength: 3 }),
      autoRoute: fc.boolean(),
    },
    { requiredKeys: ['name'] },
  );
  const profiles = fc.array(profile, { maxLength: 6 });

  test('the order of profiles does not matter [SB-181]', () => {
    fc.assert(
      fc.property(
        phrase,
        profiles.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        (text, [list, shuffled]) => {
          expect(matchAgent(text, shuffled)).toEqual(matchAgent(text, list));
        },
      ),
    );
  });

  test('somebody who is there twice is never chosen, and who is chosen was there, is strong enough and may be routed to [SB-181]', () => {
    fc.assert(
      fc.property(phrase, profiles, (text, list) => {
        const found = matchAgent(text, list);
        if (!found) return;
        expect(found.score).toBeGreaterThanOrEqual(7);
        expect(found.reasons.length).toBeGreaterThan(0);
        const chosen = list.filter(({ name, autoRoute }) => name === found.name && autoRoute !== false);
        expect(chosen.length).toBeGreaterThan(0);
        expect(matchAgent(text, [...list, ...chosen])).toBeNull();
      }),
    );
  });

  test('nothing is too odd or too long to be read', () => {
    // halves of characters, too
    const anyText = fc.array(fc.nat(0xffff)).map((codes) => String.fromCharCode(...codes));
    fc.assert(
      fc.property(anyText, anyText, (text, name) => {
        const found = matchAgent(text, [{ name, keywords: [text], examples: [text], specialization: text }]);
        expect(found === null || found.name === name).toBe(true);
      }),
    );
    expect(matchAgent('文'.repeat(30_000), [{ name: '文', keywords: ['文文'] }])?.score).toBe(18);
  });
});
