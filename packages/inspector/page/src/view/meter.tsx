import type { Gauge } from '../../../src/wire.ts';
import { amountText, kindText, spentAt } from '../model/words.ts';

/** How much of a limit is used: by the run itself, and behind that, paler, by runs below. Yellow where a run is warned (80 %), red where nothing is left. */
export const Meter = ({ gauge, now }: { gauge: Gauge; now: number }) => {
  const spent = spentAt(gauge, now);
  const share = gauge.limit > 0 ? Math.min(1, spent / gauge.limit) : 1;
  const below = gauge.below ?? 0;
  const belowShare = spent > 0 ? (share * below) / spent : 0;
  const used = `${kindText(gauge.kind)}: ${amountText(gauge.kind, spent)} of ${amountText(gauge.kind, gauge.limit)}`;
  const text = below > 0 ? `${used}, ${amountText(gauge.kind, below)} by runs below` : used;
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
      <i style={{ width: `${(share - belowShare) * 100}%` }} />
      {below > 0 && <i class="below" style={{ width: `${belowShare * 100}%` }} />}
    </span>
  );
};
