import type { Budget } from '@troupe/protocol';
import type { RunLine } from '../../../src/wire.ts';
import { shownNow } from '../app.ts';
import { amountText, kindText, spentAt } from '../model/words.ts';

/** Budgets as a person writes them: milliseconds are seconds here. */
const inSeconds = (kind: string) => kind.endsWith('Ms');

/** Fields for limits of a run, and what was written in them. */
export const BudgetFields = ({
  run,
  written,
  onWrite,
}: {
  run: RunLine;
  written: Record<string, string>;
  onWrite: (next: Record<string, string>) => void;
}) => (
  <div class="fields">
    {run.gauges.map(({ kind, limit, ...gauge }) => {
      const scale = inSeconds(kind) ? 1_000 : 1;
      return (
        <label key={kind}>
          <span>
            {kindText(kind)}
            {inSeconds(kind) ? ', seconds' : kind === 'costUsd' ? ', US dollars' : ''}
          </span>
          <input
            name={kind}
            type="number"
            min={0}
            step="any"
            placeholder={String(limit / scale)}
            value={written[kind] ?? ''}
            onInput={(event) => onWrite({ ...written, [kind]: event.currentTarget.value })}
          />
          <small>
            {amountText(kind, spentAt({ kind, limit, ...gauge }, shownNow.value))} of {amountText(kind, limit)} used
          </small>
        </label>
      );
    })}
  </div>
);

/** What was written, as a budget; fields that are empty stay as they are. */
export const budgetOf = (written: Record<string, string>): Budget =>
  Object.fromEntries(
    Object.entries(written)
      .filter(([, text]) => text.trim() !== '' && Number.isFinite(Number(text)))
      .map(([kind, text]) => [kind, inSeconds(kind) ? Math.round(Number(text) * 1_000) : Number(text)]),
  );
