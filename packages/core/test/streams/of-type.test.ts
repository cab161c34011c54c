import { ofType, textOf } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { from } from 'rxjs';
import { describe, expect, test } from 'vitest';

const of = (type: string, runId = 'r', more: object = {}) => ({ type, runId, ...more }) as unknown as RunEvent;
const said = (delta: string, runId = 'r') => of('text.streamed', runId, { delta, live: true });

const read = (events: RunEvent[]): string[] => {
  const heard: string[] = [];
  from(events)
    .pipe(textOf('r'))
    .subscribe((text) => heard.push(text));
  return heard;
};

test('ofType lets through the types that it names, in their order', () => {
  const heard: string[] = [];
  from([of('run.started'), of('turn.started'), said('a'), of('run.completed')])
    .pipe(ofType('run.completed', 'run.started'))
    .subscribe(({ type }) => heard.push(type));
  expect(heard).toEqual(['run.started', 'run.completed']);
});

describe('textOf', () => {
  test('is silent before the first delta, then tells the text so far', () => {
    expect(read([of('run.started'), of('turn.started'), said('Hel'), said('lo')])).toEqual(['Hel', 'Hello']);
  });

  test('begins anew with each turn', () => {
    expect(read([of('turn.started'), said('one'), of('turn.completed'), of('turn.started'), said('two')])).toEqual([
      'one',
      'two',
    ]);
  });

  test('begins anew when an attempt came to nothing, for what it said is void', () => {
    expect(read([of('turn.started'), said('Hal'), of('turn.attempted'), said('Hel'), said('lo')])).toEqual([
      'Hal',
      'Hel',
      'Hello',
    ]);
  });

  test('does not hear other runs', () => {
    expect(
      read([of('turn.started'), said('Hel'), said('no', 'r/1-0/0'), of('turn.started', 'r/1-0/0'), said('lo')]),
    ).toEqual(['Hel', 'Hello']);
  });
});
