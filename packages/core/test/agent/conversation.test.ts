import type { Message } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { openingOf, splitForSummary, transcriptOf, withMemory } from '../../src/agent/conversation.ts';

const user = (content: string): Message => ({ role: 'user', content });
const system = (content: string): Message => ({ role: 'system', content });
const asks = (...ids: string[]): Message => ({
  role: 'assistant',
  content: '',
  calls: ids.map((id) => ({ id, name: 'look', arguments: '{}' })),
});
const gives = (callId: string): Message => ({ role: 'tool', callId, content: callId });

describe('a conversation opens', () => {
  test('with the instructions and the input', () => {
    expect(openingOf('Be brief.', { input: 'Go.' })).toEqual([system('Be brief.'), user('Go.')]);
  });

  test('without a system message when there is nothing to say in it', () => {
    expect(openingOf('', { input: 'Go.' })).toEqual([user('Go.')]);
  });

  test('with input that is no text as JSON', () => {
    expect(openingOf('', { input: { city: 'Köln', n: [1, null] } })).toEqual([user('{"city":"Köln","n":[1,null]}')]);
    expect(openingOf('', { input: 0 })).toEqual([user('0')]);
  });

  test('with expected output and constraints behind the instructions', () => {
    const [first] = openingOf('Be brief.', {
      input: 'Go.',
      expectedOutput: 'A list.',
      constraints: ['No verbs.', 'No dates.'],
    });
    expect(first).toEqual(system('Be brief.\n\nExpected output: A list.\n\nConstraints:\n- No verbs.\n- No dates.'));
  });

  test('with the instructions joined to a leading system message, and everything else in its order', () => {
    const messages = [
      system('House rules.'),
      user('Hello.'),
      { role: 'assistant' as const, content: 'Hi.' },
      system('Later note.'),
    ];
    expect(openingOf('Be brief.', { input: 'Go.', messages })).toEqual([
      system('House rules.\n\nBe brief.'),
      ...messages.slice(1),
      user('Go.'),
    ]);
  });

  test('with the instructions first when the job brings other messages', () => {
    expect(openingOf('Be brief.', { input: 'Go.', messages: [user('Hello.')] })).toEqual([
      system('Be brief.'),
      user('Hello.'),
      user('Go.'),
    ]);
  });

  test('with attachments behind the text, and alone when there is no text', () => {
    const image = { type: 'image' as const, url: 'https://example.org/a.png' };
    expect(openingOf('', { input: 'Look.', attachments: [image] })).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Look.' }, image] },
    ]);
    expect(openingOf('', { input: '', attachments: [image] })).toEqual([{ role: 'user', content: [image] }]);
    expect(openingOf('', { input: 'Look.', attachments: [] })).toEqual([user('Look.')]);
  });
});

describe('memory', () => {
  test('stands behind the leading system messages', () => {
    expect(withMemory([system('a'), system('b'), user('c'), system('d')], 'm')).toEqual([
      system('a'),
      system('b'),
      system('Memory:\nm'),
      user('c'),
      system('d'),
    ]);
  });

  test('stands first, or last, where there is nothing else', () => {
    expect(withMemory([user('c')], 'm')).toEqual([system('Memory:\nm'), user('c')]);
    expect(withMemory([system('a')], 'm')).toEqual([system('a'), system('Memory:\nm')]);
  });
});

describe('a conversation is split for a summary', () => {
  test('into its system messages, the old part and the last four messages', () => {
    const messages = [system('s'), ...['1', '2', '3', '4', '5', '6'].map(user)];
    expect(splitForSummary(messages)).toEqual({
      head: [system('s')],
      old: [user('1'), user('2')],
      kept: ['3', '4', '5', '6'].map(user),
    });
  });

  test('never between a call and its results', () => {
    const group = [asks('a', 'b', 'c'), gives('a'), gives('b'), gives('c')];
    const messages = [user('1'), ...group, user('2'), user('3')];
    expect(splitForSummary(messages)).toEqual({ head: [], old: [user('1')], kept: [...group, user('2'), user('3')] });
  });

  test('not at all when everything would be kept', () => {
    expect(splitForSummary([system('s'), user('1'), user('2')])).toBeNull();
    expect(splitForSummary([system('s')])).toBeNull();
    expect(splitForSummary([])).toBeNull();
    expect(splitForSummary([asks('a', 'b', 'c', 'd', 'e'), ...['a', 'b', 'c', 'd', 'e'].map(gives)])).toBeNull();
  });

  test('and told as text, calls included', () => {
    expect(transcriptOf([user('1'), asks('a'), gives('a')])).toBe('user: 1\nassistant: [calls look {}]\ntool: a');
  });
});
