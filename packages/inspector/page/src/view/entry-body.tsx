import type { Entry } from '../../../src/wire.ts';
import { select } from '../app.ts';
import { costText, countText, spanText } from '../model/words.ts';

type Of<T extends Entry['type']> = Extract<Entry, { type: T }>;

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));
const oneLine = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 300);

/** One thing that was said or done. */
export const EntryBody = ({ entry }: { entry: Entry }) => {
  switch (entry.type) {
    case 'job':
      return <Job entry={entry} />;
    case 'told':
      return (
        <>
          <h3>{entry.by === 'person' ? 'Steered by a person' : 'Told by the runtime'}</h3>
          <p class="text">{entry.text}</p>
        </>
      );
    case 'turn':
      return <Turn entry={entry} />;
    case 'call':
      return <Call entry={entry} />;
    case 'question':
      return (
        <>
          <h3>Asked a person</h3>
          <p class="text">{entry.question.prompt}</p>
          {entry.answer === undefined ? (
            <p class="open">No answer yet.</p>
          ) : (
            <p>
              <b>Answer:</b> {typeof entry.answer === 'boolean' ? (entry.answer ? 'yes' : 'no') : asText(entry.answer)}
            </p>
          )}
        </>
      );
    case 'compacted':
      return (
        <details>
          <summary>
            <h3>{entry.summarized} messages became a summary</h3>
          </summary>
          <p class="text">{entry.summary}</p>
        </details>
      );
    case 'warning':
      return (
        <>
          <h3>Warning · {entry.code}</h3>
          <p class="text">{entry.message}</p>
        </>
      );
    case 'end':
      return <End entry={entry} />;
  }
};

const Job = ({ entry: { input, constraints = [], attachments = 0 } }: { entry: Of<'job'> }) => (
  <>
    <h3>Job{attachments > 0 ? ` · ${attachments} attached` : ''}</h3>
    <p class="text">{asText(input)}</p>
    {constraints.length > 0 && (
      <ul>
        {constraints.map((constraint) => (
          <li key={constraint}>{constraint}</li>
        ))}
      </ul>
    )}
  </>
);

const Turn = ({ entry }: { entry: Of<'turn'> }) => {
  const { turn, model, text, reasoning, streaming, usage, costUsd, finish, attempts = [] } = entry;
  return (
    <>
      <h3>
        Turn {turn}
        <small>
          {model}
          {usage && ` · ${countText(usage.inputTokens)} in, ${countText(usage.outputTokens)} out`}
          {costUsd !== undefined && costUsd !== null && ` · ${costText(costUsd)}`}
          {finish !== undefined && finish !== 'stop' && finish !== 'calls' && ` · ended by ${finish}`}
          {streaming && ' · answering…'}
        </small>
      </h3>
      {attempts.map((attempt) => (
        <p key={attempt} class="trouble">
          {attempt}
        </p>
      ))}
      {reasoning && (
        <details>
          <summary>Reasoning</summary>
          <p class="text">{reasoning}</p>
        </details>
      )}
      {text !== '' && (
        <p class="text">
          {text}
          {streaming && <i class="caret" />}
        </p>
      )}
    </>
  );
};

const Call = ({ entry }: { entry: Of<'call'> }) => {
  const { tool, arguments: given, status, result, note, at, endedAt, children } = entry;
  return (
    <>
      <details>
        <summary>
          <code class="tool">{tool}</code>
          <span class="given">{oneLine(given)}</span>
          <span class={`state ${status}`}>{status === 'open' ? 'open' : status}</span>
          {endedAt !== undefined && <small>{spanText(endedAt - at)}</small>}
        </summary>
        <h4>Arguments</h4>
        <pre class="data" tabIndex={0}>
          {asText(given)}
        </pre>
        {result !== undefined && (
          <>
            <h4>Result</h4>
            <pre class="data" tabIndex={0}>
              {result}
            </pre>
          </>
        )}
      </details>
      {status === 'open' && note && <p class="open">{note}</p>}
      {children.length > 0 && (
        <p class="children">
          {children.map(({ runId, agent, status: childStatus }) => (
            <button key={runId} type="button" class="chip" onClick={() => select(runId)}>
              {agent}
              {childStatus && ` · ${childStatus}`}
            </button>
          ))}
        </p>
      )}
      {result !== undefined && <p class="result">{oneLine(result)}</p>}
    </>
  );
};

const End = ({ entry: { status, exitReason, text, fault } }: { entry: Of<'end'> }) => (
  <>
    <h3 class={status}>
      {status}
      {exitReason !== 'answered' && exitReason !== status && <small>{exitReason.replaceAll('_', ' ')}</small>}
    </h3>
    {text !== null && <p class="text">{text}</p>}
    {fault && (
      <p class="trouble">
        <code>{fault.code}</code> {fault.message}
      </p>
    )}
  </>
);
