import { redact } from '@troupe/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openai } from '../src/index.ts';
import { openAIClient, shownURL } from '../src/openai-client.ts';
import { faultIn } from './tools/turn.ts';

const thrownBy = (run: () => unknown) => faultIn(Promise.resolve().then(run));

describe('the client', () => {
  beforeEach(() => {
    for (const name of ['API_KEY', 'BASE_URL', 'ORG_ID', 'PROJECT_ID']) vi.stubEnv(`OPENAI_${name}`, '');
  });
  afterEach(() => vi.unstubAllEnvs());

  test('asks OpenAI with the key of the environment', () => {
    vi.stubEnv('OPENAI_API_KEY', ' key-in-the-environment ');
    const client = openAIClient({});
    expect(client).toMatchObject({
      baseURL: 'https://api.openai.com/v1',
      apiKey: 'key-in-the-environment',
      maxRetries: 0,
    });
    expect(redact('the key-in-the-environment leaks')).toBe('the [redacted] leaks');
  });

  test('[HM-060] speaks Chat Completions unless a wire is named, and refuses one that does not exist', async () => {
    const baseURL = 'http://compatible.test/v1';
    expect(openai({ baseURL })).toMatchObject({ name: 'openai' });
    expect(await thrownBy(() => openai({ baseURL, wire: 'morse' as 'chat' }))).toMatchObject({
      code: 'model.misconfigured',
      message: 'There is no wire "morse". Expected one of chat, responses.',
    });
  });

  test('prefers what it is told to what the environment says', () => {
    vi.stubEnv('OPENAI_API_KEY', 'key-in-the-environment');
    vi.stubEnv('OPENAI_BASE_URL', 'http://other.test/v1');
    vi.stubEnv('OPENAI_ORG_ID', 'org-other');
    const options = {
      apiKey: 'key-as-told',
      baseURL: 'http://this.test/v1',
      organization: 'org-this',
      project: 'proj-this',
    };
    expect(openAIClient(options)).toMatchObject(options);
    expect(openAIClient({})).toMatchObject({
      baseURL: 'http://other.test/v1',
      organization: 'org-other',
      project: null,
    });
  });

  test('refuses to ask OpenAI without a key', async () => {
    const fault = await thrownBy(() => openai());
    expect(fault).toMatchObject({ code: 'model.unauthorized', retryable: false });
    expect(fault.message).toContain('OPENAI_API_KEY');
    await thrownBy(() => openai({ baseURL: 'https://eu.api.openai.com/v1' }));
  });

  test('asks other servers without a key', () => {
    expect(openAIClient({ baseURL: 'http://localhost:11434/v1' }).apiKey).toBe('none');
  });

  test('refuses a baseURL that is no URL', async () => {
    const fault = await thrownBy(() => openai({ baseURL: 'localhost', apiKey: 'k' }));
    expect(fault).toMatchObject({ code: 'model.misconfigured', retryable: false });
  });

  test('keeps the secrets of its headers', () => {
    openAIClient({
      baseURL: 'http://this.test/v1',
      headers: { Authorization: 'Bearer header-secret-1', 'x-api-key': 'header-secret-2', 'x-trace': 'not-a-secret' },
    });
    expect(redact('header-secret-1 header-secret-2 not-a-secret')).toBe('[redacted] [redacted] not-a-secret');
  });

  test('has the name that it was given, or openai', () => {
    expect(openai({ baseURL: 'http://this.test/v1' }).name).toBe('openai');
    expect(openai({ baseURL: 'http://this.test/v1', name: 'local' }).name).toBe('local');
  });

  test('shows a URL without what is secret in it', () => {
    expect(shownURL('https://me:pass@this.test:8443/v1/?key=1')).toBe('https://this.test:8443/v1');
  });
});
