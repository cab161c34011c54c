import { faultOf, messageOf } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import { fileRegistry } from '../../src/index.ts';
import { folder, still } from './folder.ts';

/** Work that goes on until it is told to end. */
const open = () => {
  let end = (_value: string) => {};
  const done = new Promise<string>((resolve) => {
    end = resolve;
  });
  return { work: () => done, end };
};

describe('a lock', () => {
  test('[HM-143] lets one writer of a path work at a time, first come, first served', async () => {
    const files = still();
    const { path } = folder();
    const order: string[] = [];
    const [first, second] = [open(), open()];
    const held = [first, second].map(({ work }, i) =>
      files.withLock(path('a'), () => {
        order.push(`begins ${i}`);
        return work();
      }),
    );
    await settle();
    expect(order).toEqual(['begins 0']);
    first.end('one');
    expect(await held[0]).toBe('one');
    await settle();
    expect(order).toEqual(['begins 0', 'begins 1']);
    second.end('two');
    expect(await held[1]).toBe('two');
  });

  test('[HM-143] lets writers of different paths work side by side', async () => {
    const files = still();
    const { path } = folder();
    const slow = open();
    const held = files.withLock(path('a'), slow.work);
    expect(await files.withLock(path('b'), () => 'done')).toBe('done');
    slow.end('late');
    expect(await held).toBe('late');
  });

  test('[HM-143] is let go by work that throws, and by work that rejects', async () => {
    const files = still();
    const { path } = folder();
    const throws = files.withLock(path('a'), () => {
      throw new Error('no');
    });
    const rejects = files.withLock(path('a'), () => Promise.reject(new Error('neither')));
    const third = files.withLock(path('a'), () => 'third');
    await expect(throws).rejects.toThrow('no');
    await expect(rejects).rejects.toThrow('neither');
    expect(await third).toBe('third');
  });

  test('[HM-143] is not waited for by one whose signal is aborted, and is still kept from those behind it', async () => {
    const files = still();
    const { path } = folder();
    const [abort, first, order] = [new AbortController(), open(), [] as string[]];
    const holder = files.withLock(path('a'), first.work);
    const waiter = files.withLock(path('a'), () => order.push('waiter'), { signal: abort.signal });
    await settle();
    abort.abort(new Error('enough'));
    await expect(waiter).rejects.toThrow('enough');
    const behind = files.withLock(path('a'), () => order.push('behind'), { signal: new AbortController().signal });
    await settle();
    expect(order).toEqual([]);
    first.end('');
    await Promise.all([holder, behind]);
    expect(order).toEqual(['behind']);
  });

  describe('whose work goes on after it was aborted', () => {
    const held = () => {
      const clock = new SimulatedClock();
      const files = fileRegistry({ clock, graceMs: 5_000 });
      const { path } = folder();
      const [abort, hung] = [new AbortController(), open()];
      const holder = files.withLock([path('a'), path('b')], hung.work, { signal: abort.signal, by: 'run "r/1-0/0"' });
      /** What becomes of another one who wants the file. */
      const want = (name = 'a') => {
        const end = { said: '' };
        void files
          .withLock(path(name), () => 'written')
          .then(
            (said) => Object.assign(end, { said }),
            (error: unknown) => Object.assign(end, { said: messageOf(error), code: faultOf(error, 'x').code }),
          );
        return end;
      };
      return { clock, files, path, abort, hung, holder, want };
    };

    test('[HM-143] keeps its file from others, who are told by whom it is held when it had time to end', async () => {
      const { clock, path, abort, hung, holder, want } = held();
      const [early, other] = [want(), want('c')];
      clock.increment(60_000);
      await settle();
      // nobody has ended it: it may take its time
      expect([early.said, other.said]).toEqual(['', 'written']);
      abort.abort(new Error('enough'));
      const second = want('b');
      clock.increment(4_999);
      await settle();
      expect([early.said, second.said]).toEqual(['', '']);
      clock.increment(1);
      await settle();
      const sentence = (name: string) =>
        `${path(name)} cannot be written now: run "r/1-0/0" began to write it, and was ended before that was done. It may still write, so nothing else was written. Try again later, or write another file.`;
      expect(early).toEqual({ said: sentence('a'), code: 'files.held' });
      expect(second).toEqual({ said: sentence('b'), code: 'files.held' });
      const late = want();
      await settle();
      expect(late.said).toBe(sentence('a'));
      // what ends at last lets go
      hung.end('at last');
      expect(await holder).toBe('at last');
      const [after, afterwards] = [want(), want('b')];
      await settle();
      expect([after.said, afterwards.said]).toEqual(['written', 'written']);
    });

    test('[HM-143] lets the next one in as soon as it ends', async () => {
      const { clock, abort, hung, holder, want } = held();
      const [first, second] = [want(), want()];
      await settle();
      abort.abort(new Error('enough'));
      clock.increment(1_000);
      hung.end('gave up');
      await holder;
      await settle();
      expect([first.said, second.said]).toEqual(['written', 'written']);
      clock.increment(10_000);
      const later = want();
      await settle();
      expect(later.said).toBe('written');
    });
  });

  test('[HM-143] is not taken by one whose signal is aborted already', async () => {
    const { path } = folder();
    const signal = AbortSignal.abort(new Error('before'));
    await expect(still().withLock(path('a'), () => 'never', { signal })).rejects.toThrow('before');
  });

  test('[HM-143] holds several paths at once, in any order and named twice, without a deadlock', async () => {
    const files = still();
    const { path } = folder();
    const many = [
      ['a', 'b', 'a'],
      ['b', 'a'],
      ['b', 'c', './a'],
    ].map((names) => files.withLock(names.map(path), () => settle(2)));
    await Promise.all(many);
    expect(await files.withLock([], () => 'nothing to wait for')).toBe('nothing to wait for');
  });

  test('[HM-143] is never held by two, and everybody comes to an end, however the work goes', async () => {
    const job = fc.record({
      paths: fc.uniqueArray(fc.constantFrom('/a', '/b', '/c'), { minLength: 1, maxLength: 3 }),
      steps: fc.nat({ max: 3 }),
      how: fc.constantFrom('returns' as const, 'throws' as const, 'aborted' as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(job, { minLength: 1, maxLength: 8 }), fc.scheduler(), async (jobs, scheduler) => {
        const files = still();
        const busy = new Map<string, number>();
        let begun = 0;
        const ends = jobs.map(async ({ paths, steps, how }, i) => {
          const abort = new AbortController();
          const work = async () => {
            begun += 1;
            for (const path of paths) {
              expect(busy.get(path)).toBeUndefined();
              busy.set(path, i);
            }
            for (let step = 0; step < steps; step++) await scheduler.schedule(Promise.resolve(), `${i}.${step}`);
            for (const path of paths) busy.delete(path);
            if (how === 'throws') throw new Error('thrown');
            return 'returns';
          };
          if (how === 'aborted')
            void scheduler.schedule(Promise.resolve(), `abort ${i}`).then(() => abort.abort(new Error('aborted')));
          const said = await files
            .withLock(paths, work, how === 'aborted' ? { signal: abort.signal } : {})
            .catch(messageOf);
          if (how !== 'aborted') expect(said).toBe(how === 'throws' ? 'thrown' : 'returns');
          else expect(['returns', 'aborted']).toContain(said);
        });
        await scheduler.waitFor(Promise.all(ends));
        expect(busy.size).toBe(0);
        expect(begun).toBeGreaterThanOrEqual(jobs.filter(({ how }) => how !== 'aborted').length);
      }),
    );
  });
});
