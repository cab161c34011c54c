import { toJSON } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Endpoint,
  endpointId,
  endpointPools,
  type ParentEndpoint,
  type ResolvedProvider,
  type RouteRequest,
  routeOf,
  settingsFor,
} from '../../src/index.ts';

const parent: ParentEndpoint = { provider: 'openai', apiKey: 'parent-key', model: 'large', fallbacks: true };
const custom: ParentEndpoint = { ...parent, provider: 'custom', baseURL: 'https://one.test/v1', wire: 'responses' };

const bundles: Record<string, ResolvedProvider> = {
  router: { baseURL: 'https://router.test/api', apiKey: 'router-key', model: 'router-model', wire: 'chat' },
  claude: { baseURL: 'https://claude.test/anthropic', apiKey: 'claude-key' },
  mine: { provider: 'custom', baseURL: 'https://mine.test/v1', apiKey: 'mine-key' },
  openai: { apiKey: 'other-openai-key' },
  keyless: { baseURL: 'https://keyless.test', apiKey: '  ' },
};
const resolve = (provider: string) => {
  if (provider === 'broken') throw new Error('its login has expired.');
  return bundles[provider];
};
const route = (delegation: Endpoint, more: Partial<RouteRequest> = {}) =>
  routeOf({ parent, delegation, resolve, ...more });
const pool = { lease: () => null };

describe('a route with a base URL', () => {
  test.each<[string, string | undefined, Partial<ReturnType<typeof route>>]>([
    ['https://one.test/v1', undefined, { provider: 'custom', wire: 'chat' }],
    ['https://one.test/anthropic', undefined, { provider: 'custom', wire: 'messages' }],
    ['https://one.test/Anthropic/', undefined, { provider: 'custom', wire: 'messages' }],
    ['https://one.test/anthropic-not', undefined, { provider: 'custom', wire: 'chat' }],
    ['https://API.anthropic.com', undefined, { provider: 'anthropic', wire: 'messages' }],
    ['https://api.anthropic.com.evil.test', undefined, { provider: 'custom', wire: 'chat' }],
    ['https://chatgpt.com/backend-api/codex', undefined, { provider: 'openai-codex', wire: 'responses' }],
    ['https://chatgpt.com/backend-api/codexes', undefined, { provider: 'custom', wire: 'chat' }],
    ['https://api.kimi.com/coding/v1', undefined, { provider: 'kimi-coding', wire: 'messages' }],
    ['https://one.test/anthropic', 'chat', { wire: 'chat' }],
    ['https://one.test/v1', ' Responses ', { wire: 'responses' }],
  ])('[HM-060] [B-18] %s, told the wire %s', (baseURL, wire, expected) => {
    expect(route({ baseURL, ...(wire && { wire }) })).toMatchObject({ pins: 'endpoint', ...expected, pool: 'none' });
  });

  test('[HM-060] [B-18] leaves out a wire that is none, and says so', () => {
    const { wire, warnings } = route({ baseURL: 'https://one.test/anthropic', wire: 'soap', apiKey: 'own-key' });
    expect(wire).toBe('messages');
    expect(warnings).toEqual(['There is no wire "soap". Expected chat, responses or messages; it is left out.']);
  });

  test('[HM-060] has its own key, else the parent’s, with a warning that it goes elsewhere', () => {
    expect(route({ baseURL: 'https://one.test', apiKey: 'own-key' })).toMatchObject({
      apiKeyFrom: 'delegation',
      warnings: [],
    });
    const inherited = route({ baseURL: 'https://one.test', apiKey: ' ' });
    expect(inherited.apiKeyFrom).toBe('parent');
    expect(inherited.warnings).toEqual([expect.stringContaining("The parent's key is sent to https://one.test")]);
    const { apiKey: _none, ...keyless } = parent;
    expect(route({ baseURL: 'https://one.test' }, { parent: keyless })).toMatchObject({
      apiKeyFrom: 'none',
      warnings: [],
    });
  });

  test('[HM-060] [HM-061] takes the name of a provider beside it for a name, and looks nothing up', () => {
    const named = route({ baseURL: 'https://one.test', provider: 'openai' });
    expect(named).toMatchObject({ provider: 'openai', endpoint: 'https://one.test', pool: 'none', filters: 'cleared' });
  });

  test('[HM-060] is refused when it is no URL', () => {
    expect(() => route({ baseURL: 'one.test/v1' })).toThrow(
      expect.objectContaining({ code: 'delegate.endpoint_invalid', message: expect.stringContaining('"one.test/v1"') }),
    );
  });

  test('[B-17] takes over the parent’s wire where it is the parent’s endpoint, and nowhere else', () => {
    const to = (baseURL: string, wire?: string) => route({ baseURL, ...(wire && { wire }) }, { parent: custom }).wire;
    expect(to('https://one.test/v1/')).toBe('responses');
    expect(to('https://one.test/v1/', 'chat')).toBe('chat');
    expect(to('https://two.test/v1')).toBe('chat');
  });
});

describe('a route with a provider', () => {
  test('[HM-061] is what its name stands for, whole', () => {
    expect(route({ provider: 'router' })).toEqual({
      pins: 'provider',
      endpoint: 'https://router.test/api',
      provider: 'router',
      baseURL: 'https://router.test/api',
      model: 'router-model',
      wire: 'chat',
      apiKeyFrom: 'own',
      pool: 'none',
      fallbacks: 'none',
      filters: 'cleared',
      warnings: [],
    });
  });

  test('[HM-061] takes the model of the settings first, then its own, then the parent’s', () => {
    const models = [
      route({ provider: 'router', model: 'mine' }),
      route({ provider: 'router' }),
      route({ provider: 'claude' }),
    ].map(({ model }) => model);
    expect(models).toEqual(['mine', 'router-model', 'large']);
  });

  test('[HM-061] keeps the name that somebody gave a custom one', () => {
    expect(route({ provider: 'mine' }).provider).toBe('mine');
  });

  test.each<[string, RouteRequest['resolve'] | undefined, string]>([
    ['broken', resolve, 'Cannot resolve delegation provider "broken": its login has expired.'],
    ['nobody', resolve, 'Cannot resolve delegation provider "nobody": there is no such provider.'],
    ['router', undefined, 'Cannot resolve delegation provider "router": there is nothing to look it up with.'],
  ])('[HM-006] [HM-061] is refused when %s cannot be looked up', (provider, how, message) => {
    const request = { parent, delegation: { provider }, ...(how && { resolve: how }) };
    expect(() => routeOf(request)).toThrow(
      expect.objectContaining({ code: 'delegate.provider_unknown', message: expect.stringContaining(message) }),
    );
  });

  test('[HM-006] [HM-061] is refused without a key, unless there is one in the settings or a pool', () => {
    expect(() => route({ provider: 'keyless' })).toThrow(
      expect.objectContaining({
        code: 'delegate.no_api_key',
        message: expect.stringContaining('Delegation provider "keyless" has no API key.'),
      }),
    );
    expect(route({ provider: 'keyless', apiKey: 'own-key' }).apiKeyFrom).toBe('delegation');
    const pools = endpointPools([{ endpoint: { baseURL: 'https://keyless.test' }, pool }]);
    expect(route({ provider: 'keyless' }, { pools })).toMatchObject({ apiKeyFrom: 'none', pool: 'own' });
  });

  test('[HM-061] stands for what the parent uses where it is the parent’s name, and nothing looks it up', () => {
    expect(routeOf({ parent: custom, delegation: { provider: 'Custom' } })).toMatchObject({
      pins: 'provider',
      endpoint: 'https://one.test/v1',
      model: 'large',
      wire: 'responses',
      apiKeyFrom: 'parent',
      pool: 'parent',
    });
  });

  test('[B-17] takes over the parent’s wire only from the same provider; its own and a named one come first', () => {
    const wireOf = (delegation: Endpoint) => route(delegation, { parent: { ...parent, wire: 'responses' } }).wire;
    expect(wireOf({ provider: 'openai' })).toBe('responses');
    expect(wireOf({ provider: 'openai', wire: 'chat' })).toBe('chat');
    expect(wireOf({ provider: 'router' })).toBe('chat');
    expect(wireOf({ provider: 'claude' })).toBe('messages');
    expect(route({ provider: 'openai' }).wire).toBe('chat');
    const known = () => ({ baseURL: 'https://api.anthropic.com/v1', apiKey: 'key' });
    expect(route({ provider: 'it' }, { resolve: known }).wire).toBe('messages');
  });
});

describe('a route', () => {
  test('[HM-062] overrides nothing but the model, when nothing else is said', () => {
    const whole = { pins: 'nothing', endpoint: 'https://one.test/v1', provider: 'custom', model: 'large' };
    const inherited = { wire: 'responses', apiKeyFrom: 'parent', pool: 'parent', filters: 'inherited' };
    expect(routeOf({ parent: custom })).toMatchObject({ ...whole, ...inherited, fallbacks: 'inherited', warnings: [] });
    expect(routeOf({ parent: custom, delegation: { model: 'small', provider: ' ' } }).model).toBe('small');
    const plain = { provider: 'x', model: 'm' };
    expect(routeOf({ parent: plain }).wire).toBe('chat');
    expect(routeOf({ parent: { ...plain, baseURL: 'http://x.test/anthropic' } }).wire).toBe('messages');
  });

  test('[HM-062] says which settings mean nothing without an endpoint', () => {
    const { warnings, wire } = routeOf({ parent, delegation: { apiKey: 'lost-key', wire: 'messages' } });
    expect(wire).toBe('chat');
    expect(warnings).toEqual(['apiKey', 'wire'].map((name) => expect.stringContaining(`"${name}" is left out`)));
  });

  test.each<[string, Endpoint, boolean, string]>([
    ['nothing', {}, true, 'inherited'],
    ['nothing, of a parent that has none', {}, false, 'none'],
    ['the same provider', { provider: 'openai' }, true, 'none'],
    ['another provider', { provider: 'router' }, true, 'none'],
    ['a server', { baseURL: 'https://one.test' }, true, 'none'],
  ])('[HM-057] that pins %s: fallbacks', (_what, delegation, fallbacks, expected) => {
    expect(route(delegation, { parent: { ...parent, fallbacks } }).fallbacks).toBe(expected);
  });

  test('[HM-055] clears the vendor’s own settings where it leads to another, but for those that are kept', () => {
    const settings = { temperature: 0, reasoning: 'low' as const, only: ['a'], min_coding_score: 3 };
    expect(settingsFor(route({}), settings)).toBe(settings);
    expect(settingsFor(route({ provider: 'openai' }), settings)).toBe(settings);
    expect(settingsFor(route({ provider: 'router' }), settings)).toEqual({ temperature: 0, reasoning: 'low' });
    expect(settingsFor(route({ baseURL: 'https://one.test' }), settings, ['min_coding_score'])).toEqual({
      temperature: 0,
      reasoning: 'low',
      min_coding_score: 3,
    });
  });

  const pools = endpointPools([
    { endpoint: { provider: 'OpenAI' }, pool },
    { endpoint: { baseURL: 'https://two.test:443/v1/' }, pool },
  ]);
  const proxied: ParentEndpoint = { ...parent, baseURL: 'https://proxy.test/v1' };
  test.each<[string, ParentEndpoint, Endpoint, string]>([
    ['nothing is said', parent, {}, 'parent'],
    ['the provider is the parent’s', parent, { provider: 'openai' }, 'parent'],
    ['a known address is the parent’s provider', parent, { baseURL: 'https://api.openai.com/v1' }, 'parent'],
    ['the endpoint is the parent’s', custom, { baseURL: 'HTTPS://ONE.test:443/v1/' }, 'parent'],
    ['the endpoint is another', custom, { baseURL: 'https://one.test/v2' }, 'none'],
    ['the endpoint is another, with a pool', custom, { baseURL: 'https://two.test/v1' }, 'own'],
    [
      'the name is the parent’s and the server is not',
      parent,
      { baseURL: 'https://x.test', provider: 'openai' },
      'none',
    ],
    ['the parent goes through a server of its own', proxied, { provider: 'openai' }, 'own'],
    [
      'the parent’s own server is a known one',
      { ...parent, baseURL: 'https://api.openai.com' },
      { provider: 'openai' },
      'parent',
    ],
    ['another provider has none', parent, { provider: 'router' }, 'none'],
    ['a key is named', parent, { provider: 'openai', apiKey: 'own-key' }, 'none'],
  ])('[HM-063] [B-19] leases where %s', (_what, from, delegation, expected) => {
    expect(route(delegation, { parent: from, pools }).pool).toBe(expected);
  });

  test('[B-19] knows an endpoint by its address, however that is written', () => {
    const ids = ['http://Host.test:80/v1/', 'http://host.test/v1', 'http://me:secret@host.test/v1?key=secret'];
    expect(ids.map((baseURL) => endpointId({ baseURL }))).toEqual(ids.map(() => 'http://host.test/v1'));
    expect(endpointId({ baseURL: 'http://host.test:81/v1' })).not.toBe(endpointId({ baseURL: 'http://host.test/v1' }));
    expect(endpointId({ provider: ' OpenAI' })).toBe(endpointId({ provider: 'openai' }));
    expect(endpointId({})).toBe('provider:');
  });

  test('[HM-063] is refused pools that share an endpoint, or have none', () => {
    const two = [
      { endpoint: { baseURL: 'http://a.test' }, pool },
      { endpoint: { baseURL: 'http://a.test/' }, pool },
    ];
    expect(() => endpointPools(two)).toThrow('"http://a.test" has two credential pools.');
    expect(() => endpointPools([{ endpoint: {}, pool }])).toThrow('A credential pool needs an endpoint');
  });

  test('[HM-060] [HM-061] holds no key, whatever it was made of', () => {
    const text = fc.constantFrom('', 'router', 'claude', 'openai', 'mine');
    const url = fc.constantFrom('', 'https://u:url-key@one.test/v1?key=url-key', 'https://api.openai.com/v1');
    const key = fc.constantFrom('', 'delegation-key');
    fc.assert(
      fc.property(text, url, url, key, (provider, baseURL, parentURL, apiKey) => {
        const made = route({ provider, baseURL, apiKey }, { parent: { ...parent, baseURL: parentURL } });
        expect(JSON.stringify([made, toJSON(made)])).not.toContain('-key');
        expect(Object.isFrozen(made)).toBe(true);
      }),
    );
  });
});
