import { Message } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { historyIn } from '../../src/subagents/imported-history.ts';
import { transcript } from './older-layout.ts';

const said = (...lines: (Record<string, unknown> | string)[]) => historyIn(transcript(...lines));
const call = (id: string, name = 'shell', args: unknown = '{"command":"ls"}') => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

describe('a transcript', () => {
  test('[SB-115] is a conversation, with its calls and their answers', () => {
    const { messages, notes } = said(
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'look', timestamp: '2025-01-01T00:00:00' },
      '',
      { role: 'assistant', content: null, tool_calls: [call('c1'), call('c2', 'read', { path: 'a' })] },
      { role: 'tool', content: 'files', tool_call_id: 'c1', name: 'shell' },
      { role: 'tool', content: 'text', tool_call_id: 'c2' },
      { role: 'assistant', content: 'done', message_kind: 'assistant_reply' },
    );
    expect(notes).toEqual([]);
    expect(messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'look' },
      {
        role: 'assistant',
        content: '',
        calls: [
          { id: 'c1', name: 'shell', arguments: '{"command":"ls"}' },
          { id: 'c2', name: 'read', arguments: '{"path":"a"}' },
        ],
      },
      { role: 'tool', content: 'files', callId: 'c1' },
      { role: 'tool', content: 'text', callId: 'c2' },
      { role: 'assistant', content: 'done' },
    ]);
  });

  test('[SB-115] without a last line, of another system, or empty, is read just so', () => {
    expect(historyIn('{"role":"user","content":"a"}\r\n{"role":"user","content":"b"}').messages).toHaveLength(2);
    expect(historyIn('')).toEqual({ messages: [], notes: [] });
  });

  test('[SB-111] is read without lines that are no messages, and says which', () => {
    const { messages, notes } = said(
      { role: 'user', content: 'a' },
      '{"role": "user", "conte',
      '[]',
      { role: 'owner', content: 'x' },
      { role: 'user', content: 7 },
      { role: 'tool', content: 'whose' },
      { role: 'user', content: 'b' },
    );
    expect(messages.map(({ content }) => content)).toEqual(['a', 'b']);
    expect(notes).toEqual(['lines that are no messages were left out: 2, 3, 4, 5, 6.']);
    expect(said(...Array.from({ length: 12 }, () => 'x')).notes).toEqual([
      'lines that are no messages were left out: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more.',
    ]);
  });

  test('[SB-111] is read without calls that have no answer, and answers that have no call', () => {
    const { messages, notes } = said(
      { role: 'tool', content: 'early', tool_call_id: 'c0' },
      { role: 'assistant', content: 'both', tool_calls: [call('c1'), call('c2'), call('c1')] },
      { role: 'tool', content: 'first', tool_call_id: 'c1' },
      { role: 'tool', content: 'second', tool_call_id: 'c1' },
      { role: 'tool', content: 'stray', tool_call_id: 'c9' },
      { role: 'assistant', content: '', tool_calls: [call('c3')] },
      { role: 'assistant', content: 'said', tool_calls: [call('c4')] },
    );
    expect(messages).toEqual([
      { role: 'assistant', content: 'both', calls: [expect.objectContaining({ id: 'c1' })] },
      { role: 'tool', content: 'first', callId: 'c1' },
      { role: 'assistant', content: 'said' },
    ]);
    expect(notes).toEqual(['7 calls without an answer, or answers without a call, were left out.']);
  });

  test('[SB-111] is read without calls that are none', () => {
    const { messages, notes } = said(
      {
        role: 'assistant',
        content: 'x',
        tool_calls: ['text', { id: 'c0' }, { id: 7, function: { name: 'f' } }, { id: 'c1', name: 'flat' }],
      },
      { role: 'tool', content: 'y', tool_call_id: 'c1' },
    );
    expect(messages[0]?.calls).toEqual([{ id: 'c1', name: 'flat', arguments: '{}' }]);
    expect(notes).toEqual(['3 parts or calls that are not known were left out.']);
  });

  test.each<[string, unknown, unknown]>([
    ['a text', 'plain', { type: 'text', text: 'plain' }],
    ['a part of text', { type: 'input_text', text: 'x' }, { type: 'text', text: 'x' }],
    [
      'an image by its URL',
      { type: 'image_url', image_url: { url: 'https://a.example/b.png' } },
      { type: 'image', url: 'https://a.example/b.png' },
    ],
    [
      'an image in the other shape',
      { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
      { type: 'image', url: 'data:image/png;base64,AAAA' },
    ],
    [
      'an image as bytes',
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
      { type: 'image', url: 'data:image/png;base64,AAAA', mediaType: 'image/png' },
    ],
    ['an image of ours', { type: 'image', url: 'https://a.example/b' }, { type: 'image', url: 'https://a.example/b' }],
    [
      'a document',
      { type: 'document', source: { type: 'url', url: 'https://a.example/b.pdf' } },
      { type: 'file', url: 'https://a.example/b.pdf' },
    ],
    [
      'a file as bytes',
      { type: 'file', file: { file_data: 'AAAA', filename: 'b.bin' } },
      { type: 'file', url: 'data:application/octet-stream;base64,AAAA', name: 'b.bin' },
    ],
    [
      'a file as a URL of data',
      { type: 'input_file', file_data: 'data:text/plain;base64,AAAA', filename: 'b.txt' },
      { type: 'file', url: 'data:text/plain;base64,AAAA', name: 'b.txt' },
    ],
    [
      'a file of that machine, by its name',
      { type: 'file', file_path: 'docs/b.pdf', name: 'b' },
      { type: 'text', text: '[attached: b, docs/b.pdf]' },
    ],
  ])('[B-09] keeps %s', (_what, piece, expected) => {
    const { messages, notes } = said({ role: 'user', content: [{ type: 'text', text: 'see' }, piece] });
    expect(messages).toEqual([{ role: 'user', content: [{ type: 'text', text: 'see' }, expected] }]);
    expect(Message.parse(messages[0])).toEqual(messages[0]);
    expect(notes).toEqual([]);
  });

  test('[B-09] keeps what was attached beside a message, each once', () => {
    const { messages, notes } = said(
      {
        role: 'user',
        content: 'see',
        media: ['https://a.example/a.png', 'media/b.png'],
        attachments: [
          { workspace_path: 'media/b.png', name: 'b' },
          { uri: 'data:image/png;base64,AAAA', mime_type: 'image/png' },
          { url: 'https://a.example/c.pdf', file_type: 'application/pdf', file_name: 'c.pdf' },
          { name: 'nowhere' },
        ],
      },
      { role: 'user', content: '', media: ['https://a.example/d.png'] },
    );
    expect(messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'see' },
          { type: 'image', url: 'https://a.example/a.png' },
          { type: 'text', text: '[attached: media/b.png]' },
          { type: 'image', url: 'data:image/png;base64,AAAA', mediaType: 'image/png' },
          { type: 'file', url: 'https://a.example/c.pdf', mediaType: 'application/pdf', name: 'c.pdf' },
        ],
      },
      { role: 'user', content: [{ type: 'image', url: 'https://a.example/d.png' }] },
    ]);
    expect(notes).toEqual([]);
  });

  test('[B-09] says how many pieces it could not keep', () => {
    const { messages, notes } = said({
      role: 'user',
      content: [
        { type: 'text', text: 'see' },
        { type: 'input_audio', input_audio: { data: 'AAAA' } },
        { type: 'thought', text: 'hm' },
        7,
      ],
    });
    expect(messages).toEqual([{ role: 'user', content: [{ type: 'text', text: 'see' }] }]);
    expect(notes).toEqual(['3 parts or calls that are not known were left out.']);
  });

  test('[SB-115] becomes a conversation that holds, whatever is in it: each call has one answer, right behind it', () => {
    const id = fc.constantFrom('c1', 'c2', 'c3');
    const line = fc.oneof(
      fc.record({
        role: fc.constantFrom('user', 'assistant', 'system'),
        content: fc.oneof(fc.string(), fc.jsonValue()),
      }),
      fc.record({ role: fc.constant('tool'), content: fc.string(), tool_call_id: id }),
      fc.record({
        role: fc.constant('assistant'),
        content: fc.constantFrom('', 'said'),
        tool_calls: fc.array(
          id.map((each) => call(each)),
          { maxLength: 3 },
        ),
      }),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const { messages } = said(...lines);
        let open: string[] = [];
        for (const message of messages) {
          expect(Message.parse(message)).toEqual(message);
          if (message.role === 'tool') expect(message.callId).toBe(open.shift());
          else {
            expect(open).toEqual([]);
            open = message.calls?.map((each) => each.id) ?? [];
          }
        }
        expect(open).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
