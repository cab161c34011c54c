import { redact } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { credentialPool, type Lease } from '../../src/model/credential-pool.ts';

const key = (id: string, priority?: number) => ({
  id,
  apiKey: `key-of-${id}`,
  ...(priority !== undefined && { priority }),
});

describe('a credential pool', () => {
  test('[HM-065] gives the credential with the fewest leases, ties by priority', () => {
    const pool = credentialPool([key('late', 2), key('first', 1), key('second', 1)]);
    const leases = [pool.lease(), pool.lease(), pool.lease()];
    expect(leases.map((lease) => lease?.id)).toEqual(['first', 'second', 'late']);
    leases[2]?.release();
    expect(pool.lease()?.id).toBe('late');
  });

  test('[HM-065] gives the least leased one when all are at their share', () => {
    const pool = credentialPool([key('a'), key('b')]);
    const [a, b] = [pool.lease(), pool.lease()];
    expect([pool.lease()?.id, pool.lease()?.id]).toEqual(['a', 'b']);
    b?.release();
    expect(pool.lease()?.id).toBe('b');
    a?.release();
    expect(pool.lease()?.id).toBe('a');
  });

  test('[HM-065] gives none when it is empty', () => {
    expect(credentialPool([]).lease()).toBeNull();
  });

  test('gives a lease back once, however often it is released', () => {
    const pool = credentialPool([key('a'), key('b')]);
    const a = pool.lease();
    a?.release();
    a?.release();
    expect([pool.lease()?.id, pool.lease()?.id, pool.lease()?.id]).toEqual(['a', 'b', 'a']);
  });

  test('keeps its keys out of everything that is redacted', () => {
    credentialPool([key('hidden')]);
    expect(redact('401: key-of-hidden is not valid')).toBe('401: [redacted] is not valid');
  });

  test('takes a key that was read with its line as it is sent', () => {
    expect(credentialPool([{ id: 'a', apiKey: 'key-of-a-file\r\n' }]).lease()?.apiKey).toBe('key-of-a-file');
    expect(redact('No such key: key-of-a-file')).toBe('No such key: [redacted]');
  });

  test('[HM-065] gives one that rests only when all do, and then says so', () => {
    const pool = credentialPool([key('a', 0), key('b', 1)]);
    const refused = pool.lease(0);
    refused?.release(100);
    // once given back is given back
    refused?.release(1_000);
    const [b, again] = [pool.lease(99), pool.lease(99)];
    expect([b, again]).toMatchObject([{ id: 'b' }, { id: 'b' }]);
    expect(again).not.toHaveProperty('resting');
    b?.release(50);
    again?.release(120);
    expect(pool.lease(99)).toMatchObject({ id: 'a', resting: true });
    expect([pool.lease(119)?.id, pool.lease(119)?.id]).toEqual(['a', 'a']);
    expect(pool.lease(120)?.id).toBe('b');
    // whoever has no clock is given them in turn
    expect(pool.lease()?.id).toBe('b');
  });

  test('[HM-065] is fair, in any order of leases and releases', () => {
    const steps = fc.array(fc.oneof(fc.constant('lease' as const), fc.nat({ max: 20 })), { maxLength: 60 });
    const priorities = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(priorities, steps, fc.integer({ min: 1, max: 3 }), (order, plan, perCredential) => {
        const ids = order.map((_, index) => `c${index}`);
        const pool = credentialPool(
          order.map((priority, index) => key(`c${index}`, priority)),
          { perCredential },
        );
        const held: Lease[] = [];
        const count = (id: string) => held.filter((lease) => lease.id === id).length;
        for (const step of plan) {
          if (step === 'lease') {
            const before = ids.map(count);
            const lease = pool.lease();
            if (!lease) throw new Error('never empty');
            const chosen = ids.indexOf(lease.id);
            const fewest = Math.min(...before);
            expect(before[chosen]).toBe(fewest);
            const ties = order.filter((_, index) => before[index] === fewest);
            expect(order[chosen]).toBe(Math.min(...ties));
            held.push(lease);
          } else {
            const [lease] = held.splice(step % (held.length || 1), 1);
            lease?.release();
            lease?.release();
          }
        }
        for (const lease of held.splice(0)) lease.release();
        // then everything is free again: a round gives each once
        expect(new Set(ids.map(() => pool.lease()?.id))).toEqual(new Set(ids));
      }),
    );
  });
});
