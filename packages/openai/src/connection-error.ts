type Layer = { name?: unknown; message?: unknown; code?: unknown; cause?: unknown; errors?: unknown };

export type ConnectionTrouble = {
  code: 'model.timeout' | 'model.stream_cut' | 'model.unreachable';
  retryable: boolean;
};

/** An error and everything behind it, the outermost first. */
const layersOf = (error: unknown): Layer[] => {
  const layers: Layer[] = [];
  for (let at: unknown = error; typeof at === 'object' && at !== null && layers.length < 8; at = (at as Layer).cause) {
    layers.push(at);
    // Node tries every address of a name, and tells of each.
    const { errors } = at as Layer;
    if (Array.isArray(errors) && typeof errors[0] === 'object' && errors[0] !== null) layers.push(errors[0] as Layer);
  }
  return layers;
};

/** What happened to the connection, as one sentence: the innermost message that says something. */
export const connectionMessage = (error: unknown): string =>
  layersOf(error)
    .map(({ message }) => message)
    .findLast((message): message is string => typeof message === 'string' && message !== '') ?? String(error);

const slow = /^(UND_ERR_(HEADERS|BODY|CONNECT)_TIMEOUT|ETIMEDOUT|ESOCKETTIMEDOUT)$/;
const broken = /^(UND_ERR_\w+|ECONNRESET|ECONNABORTED|EPIPE|ERR_STREAM_PREMATURE_CLOSE)$/;
const brokenWords =
  /^terminated$|premature close|other side closed|network error|socket hang up|connection (closed|lost|reset)/i;
const untrusted = /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/**
 * What an error below HTTP means, or `null` when it does not come from the connection.
 *
 * @param connecting Whether this was the way to the server; what breaks later is a stream.
 */
export const connectionTrouble = (error: unknown, connecting: boolean): ConnectionTrouble | null => {
  const layers = layersOf(error);
  const coded = (pattern: RegExp) => layers.some(({ code }) => typeof code === 'string' && pattern.test(code));
  if (coded(slow) || layers.some(({ name }) => name === 'TimeoutError'))
    return { code: 'model.timeout', retryable: true };
  if (coded(broken) || layers.some(({ message }) => typeof message === 'string' && brokenWords.test(message)))
    return { code: 'model.stream_cut', retryable: true };
  if (!connecting) return null;
  // A certificate does not get better by asking again.
  return { code: 'model.unreachable', retryable: !coded(untrusted) };
};
