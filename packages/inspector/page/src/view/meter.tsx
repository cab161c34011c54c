import type { Gauge } from '../../../src/wire.ts';
import { amountText, kindText, spentAt } from '../model/words.ts';

/** How much of a limit is used. Yellow where a run is warned (80 %), red where nothing is left. */
export const Meter = ({ gauge, now }: { gauge: Gauge; now: number }) => {
  const spent = spentAt(gauge, now);
  const share = gauge.limit > 0 ? Math.min(1, spent / gauge.limit) : 1;
  const text = `${kindText(gauge.kind)}: ${amountText(gauge.kind, spent)} of ${amountText(gauge.kind, gauge.limit)}`;
  return (
    <span
      class={`meter ${share >= 1 ? 'full' : share >= 0.8 ? 'high' : ''}`}
      role="meter"
      aria-label={kindText(gauge.kind)}
      aria-valuemin={0}
      aria-valuemax={gauge.limit}
      aria-valuenow={Math.round(Math.min(spent, gauge.limit) * 1_000) / 1_000}
      aria-valuetext={text}
      title={text}
    >
      <i style={{ width: `${share * 100}%` }} />
    </span>
  );
};
