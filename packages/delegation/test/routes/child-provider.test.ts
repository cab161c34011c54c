import { type CredentialPool, credentialPool } from '@troupe/core';
import { type FaultError, type ModelProvider, redact } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import {
  type Connection,
  childProvider,
  type Endpoint,
  type EndpointPools,
  endpointPools,
  type ParentEndpoint,
  routeOf,
} from '../../src/index.ts';
import { leadWith, open, settle } from '../delegating.ts';

const parent: ParentEndpoint = {
  provider: 'custom',
  baseURL: 'https://one.test/v1',
  apiKey: 'fixed-of-parent',
  model: 'm',
};

/** Connects, and keeps what it was told. */
const connecting = (turn: Turn = 'Hello.') => {
  const told: Connection[] = [];
  const connect = (to: Connection): ModelProvider => {
    told.push(to);
    return scriptedProvider(() => turn);
  };
  return { told, connect };
};

const routeTo = (delegation: Endpoint, pools?: EndpointPools) =>
  routeOf({ parent, delegation, ...(pools && { pools }) });

/** A pool that says which leases are out. */
const watched = (...ids: string[]) => {
  const inner = credentialPool(ids.map((id) => ({ id, apiKey: `key-of-${id}` })));
  const out: string[] = [];
  const pool: CredentialPool = {
    lease() {
      const lease = inner.lease();
      if (!lease) return null;
      out.push(lease.id);
      let held = true;
      return {
        ...lease,
        release() {
          if (held) out.splice(out.indexOf(lease.id), 1);
          held = false;
          lease.release();
        },
      };
    },
  };
  return { pool, out };
};

/** A run of this provider. */
const runOf = (provider: ModelProvider | undefined, budget = {}) =>
  open([], { provider: provider! }).runtime.start(leadWith([], { budget }), 'Go.');

describe('the provider of a route', () => {
  test('[HM-062] is the parent’s where the route pins nothing', () => {
    const { told, connect } = connecting();
    expect(childProvider(routeTo({ model: 'small' }), connect)).toBeUndefined();
    expect(told).toEqual([]);
  });

  test('[HM-060] is connected with the whole address, and with the key that the route names', async () => {
    const { told, connect } = connecting();
    const baseURL = 'https://two.test/v1?version=2';
    const report = await runOf(childProvider(routeTo({ baseURL, apiKey: 'key-of-mine' }), connect)).report;
    expect(report.text).toBe('Hello.');
    childProvider(routeTo({ baseURL: 'https://three.test/anthropic' }), connect);
    expect(told).toEqual([
      { provider: 'custom', baseURL, wire: 'chat', apiKey: 'key-of-mine' },
      { provider: 'custom', baseURL: 'https://three.test/anthropic', wire: 'messages', apiKey: 'fixed-of-parent' },
    ]);
  });

  test('[HM-060] gets no key where there is none', () => {
    const { told, connect } = connecting();
    const { apiKey: _none, ...keyless } = parent;
    childProvider(routeOf({ parent: keyless, delegation: { baseURL: 'http://local.test' } }), connect);
    expect(told).toEqual([{ provider: 'custom', baseURL: 'http://local.test', wire: 'chat' }]);
  });

  test('[HM-063] [B-19] is one for each endpoint, key and wire', () => {
    const { told, connect } = connecting();
    const to = (delegation: Endpoint) => childProvider(routeTo(delegation), connect);
    const same = [{}, { model: 'other' }].map((more) => to({ baseURL: 'https://two.test/v1', ...more }));
    expect(same[0]).toBe(to({ baseURL: 'HTTPS://Two.test:443/v1/' }));
    expect(same[0]).toBe(same[1]);
    const others = [
      to({ baseURL: 'https://two.test/v2' }),
      to({ baseURL: 'https://two.test/v1', apiKey: 'another' }),
      to({ baseURL: 'https://two.test/v1', wire: 'responses' }),
      to({ baseURL: 'https://two.test/v1?version=2' }),
      to({ baseURL: 'https://two.test/v1', provider: 'named' }),
      childProvider(routeTo({ baseURL: 'https://two.test/v1' }), (how) => connect(how)),
    ];
    expect(new Set([same[0], ...others]).size).toBe(7);
    expect(told).toHaveLength(7);
  });

  test.each<[string, Turn, (run: ReturnType<typeof runOf>) => unknown, string]>([
    ['completes', 'Hello.', () => {}, 'completed'],
    ['fails', { text: 'Hal', fault: { code: 'model.unavailable' } }, () => {}, 'failed'],
    ['throws', { throws: new Error('bug') }, () => {}, 'failed'],
    ['is interrupted', { text: 'Hal', hang: true }, (run) => run.interrupt(), 'interrupted'],
  ])('[HM-064] leases a key for its turn, and gives it back when the turn %s', async (_how, turn, end, status) => {
    const { pool, out } = watched('a');
    const { told, connect } = connecting(turn);
    const pools = endpointPools([{ endpoint: parent, pool }]);
    const route = routeTo({ provider: 'custom' }, pools);
    const run = runOf(childProvider(route, connect, pools));
    await settle();
    if (typeof turn === 'object' && turn.hang) expect(out).toEqual(['a']);
    await end(run);
    expect((await run.report).status).toBe(status);
    expect(out).toEqual([]);
    // and the lease changed the key, not the address
    expect(told).toEqual([{ provider: 'custom', baseURL: parent.baseURL, wire: 'chat', apiKey: 'key-of-a' }]);
    expect(route.baseURL).toBe(parent.baseURL);
  });

  test('[HM-064] gives its key back when the turn is out of time', async () => {
    const { pool, out } = watched('a');
    const pools = endpointPools([{ endpoint: parent, pool }]);
    const provider = childProvider(routeTo({ provider: 'custom' }, pools), connecting({ hang: true }).connect, pools);
    const troupe = open([], { provider: provider! });
    const run = troupe.runtime.start(leadWith([], { budget: { activeMs: 1_000 } }), 'Go.');
    await settle();
    expect(out).toEqual(['a']);
    troupe.clock.increment(1_000);
    expect((await run.report).exitReason).toBe('timeout');
    expect(out).toEqual([]);
  });

  test('[HM-063] [HM-065] shares a pool between turns that go on at once: the least leased key is given', async () => {
    const { pool, out } = watched('a', 'b');
    const { told, connect } = connecting({ hang: true });
    const pools = endpointPools([{ endpoint: parent, pool }]);
    const provider = childProvider(routeTo({ baseURL: 'https://one.test/v1/' }, pools), connect, pools);
    const runs = [runOf(provider), runOf(provider), runOf(provider)];
    await settle();
    expect(out).toEqual(['a', 'b', 'a']);
    expect(told.map(({ apiKey }) => apiKey)).toEqual(['key-of-a', 'key-of-b']);
    await Promise.all(runs.map((run) => run.interrupt()));
    expect(out).toEqual([]);
  });

  test('[HM-065] uses the fixed key where the pool has none to give, and fails where there is none either', async () => {
    const { told, connect } = connecting();
    const pools = endpointPools([{ endpoint: parent, pool: credentialPool([]) }]);
    const report = await runOf(childProvider(routeTo({ baseURL: 'https://one.test/v1' }, pools), connect, pools))
      .report;
    expect([report.status, told[0]?.apiKey]).toEqual(['completed', 'fixed-of-parent']);
    const { apiKey: _none, ...keyless } = parent;
    const bare = routeOf({ parent: keyless, delegation: { provider: 'custom' }, pools });
    const failed = await runOf(childProvider(bare, connect, pools)).report;
    expect(failed.fault?.code).toBe('model.no_credential');
  });

  test('[HM-063] leases from the pools it is given, though others were given before', async () => {
    const { told, connect } = connecting();
    for (const id of ['a', 'b']) {
      const pools = endpointPools([{ endpoint: parent, pool: watched(id).pool }]);
      await runOf(childProvider(routeTo({ provider: 'custom' }, pools), connect, pools)).report;
    }
    expect(told.map(({ apiKey }) => apiKey)).toEqual(['key-of-a', 'key-of-b']);
  });

  test('[HM-063] is connected with the fixed key where the pools were left at home', () => {
    const { told, connect } = connecting();
    const pools = endpointPools([{ endpoint: parent, pool: watched('a').pool }]);
    childProvider(routeTo({ baseURL: 'https://one.test/v1' }, pools), connect);
    expect(told.map(({ apiKey }) => apiKey)).toEqual(['fixed-of-parent']);
  });

  test('[HM-060] keeps every key out of what is told, and knows no copy of a route', () => {
    const route = routeTo({ baseURL: 'https://two.test', apiKey: 'odd looking secret' });
    routeOf({ parent, delegation: { provider: 'x' }, resolve: () => ({ apiKey: 'looked up secret' }) });
    routeOf({ parent, delegation: { baseURL: 'https://two.test?sig=a%20signed%20url&version=2024-10-21' } });
    expect(redact('?sig=a%20signed%20url&version=2024-10-21 a signed url')).toBe(
      '?sig=[redacted]&version=2024-10-21 [redacted]',
    );
    expect(redact('401: odd looking secret, fixed-of-parent, looked up secret')).toBe(
      '401: [redacted], [redacted], [redacted]',
    );
    let thrown: FaultError | undefined;
    try {
      childProvider({ ...route }, connecting().connect);
    } catch (error) {
      thrown = error as FaultError;
    }
    expect(thrown).toMatchObject({ code: 'delegate.route_unknown' });
  });
});
