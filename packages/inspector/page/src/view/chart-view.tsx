import { useSignal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { Machine, Step } from '../../../src/wire.ts';
import { details, goTo, goToPresent, isPast, moment, seen, step } from '../app.ts';
import { layOut } from '../chart/lay-out.ts';
import type { PlacedChart } from '../chart/place-chart.ts';
import { timeText } from '../model/words.ts';
import { ChartDrawing } from './chart-drawing.tsx';
import { Sign } from './icons.tsx';
import { usePanZoom } from './use-pan-zoom.ts';
import { useWindow } from './use-window.ts';

/** The step that is shown, by its number; the last one when none is chosen. */
const shownStep = (steps: readonly Step[]): Step | undefined =>
  (step.value === null ? undefined : steps.find(({ n }) => n === step.value)) ?? steps.at(-1);

/** Goes one step back or forth in what the machine heard; past the last one is where it is. */
export const stepBy = (by: number): void => {
  const steps = details()?.chart.steps ?? [];
  const here = shownStep(steps);
  const index = here ? steps.indexOf(here) + by : -1;
  const to = steps[Math.max(0, index)];
  if (to) step.value = index >= steps.length - 1 ? null : to.n;
};

/** The transition that was taken last: many a step only acts, and leads nowhere. */
const lastTransition = (machine: Machine, steps: readonly Step[], shown: Step | undefined): readonly string[] => {
  const leads = new Set(machine.edges.filter(({ to }) => to.length > 0).map(({ id }) => id));
  const until = shown?.n ?? 0;
  return steps.findLast(({ n, edges }) => n <= until && edges.some((id) => leads.has(id)))?.edges ?? [];
};

/** The machine of the selected row: drawn from what it is, lit by where it is, with what it heard. */
export const ChartView = () => {
  const chart = details()?.chart;
  const machine = chart?.machineId === undefined ? undefined : seen().machines.get(chart.machineId);
  if (!chart) return <div class="chart" />;
  const shown = shownStep(chart.steps);
  const lit = {
    active: new Set(step.value === null ? chart.active : (shown?.active ?? chart.active)),
    edges: new Set(machine && lastTransition(machine, chart.steps, shown)),
  };
  return (
    <div class="chart">
      {machine ? (
        <Panel machine={machine} lit={lit} />
      ) : (
        <p class="empty">{chart.problem ?? 'No machine is known of it.'}</p>
      )}
      <Steps steps={chart.steps} shown={shown} context={chart.context} />
    </div>
  );
};

const Panel = ({
  machine,
  lit,
}: {
  machine: Machine;
  lit: { active: ReadonlySet<string>; edges: ReadonlySet<string> };
}) => {
  const [placed, setPlaced] = useState<PlacedChart | undefined>(undefined);
  const detailed = useSignal(false);
  const { ref, panel, view, zoom, fit, handlers } = usePanZoom(placed);
  const ratio = panel.height > 0 ? panel.width / panel.height : 1.5;
  useEffect(() => {
    let wanted = true;
    if (panel.height > 0)
      void layOut(machine, { detailed: detailed.value, ratio }).then((next) => {
        if (wanted) setPlaced(next);
      });
    return () => {
      wanted = false;
    };
  }, [machine.id, detailed.value, Math.round(ratio * 2), panel.height > 0]);
  useEffect(fit, [placed]);
  const active = [...lit.active].map((id) => id.split('.').at(-1)).join(', ');
  return (
    <div class="panel" ref={ref}>
      <svg tabIndex={0} role="img" aria-label={`Chart of ${machine.name}. Active: ${active}`} {...handlers}>
        {placed?.machine.id === machine.id && (
          <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
            <ChartDrawing chart={placed} lit={lit} />
          </g>
        )}
      </svg>
      <div class="tools">
        <button
          type="button"
          class="quiet"
          aria-pressed={detailed.value}
          aria-label="Details"
          title="Details: every arrow says its events"
          onClick={() => (detailed.value = !detailed.value)}
        >
          <Sign name="words" />
        </button>
        <button type="button" class="quiet" aria-label="Smaller" onClick={() => zoom(1 / 1.25)}>
          <Sign name="minus" />
        </button>
        <button type="button" class="quiet" aria-label="Larger" onClick={() => zoom(1.25)}>
          <Sign name="plus" />
        </button>
        <button type="button" class="quiet" aria-label="Show all of it" onClick={fit}>
          <Sign name="fit" />
        </button>
      </div>
    </div>
  );
};

const ROW = 24;

const Steps = ({ steps, shown, context }: { steps: readonly Step[]; shown: Step | undefined; context: unknown }) => {
  const list = useWindow(steps.length, ROW);
  const place = shown ? steps.indexOf(shown) : -1;
  const showsContext = useSignal(false);
  useEffect(() => {
    if (place >= 0) list.reveal(place);
  }, [place]);
  const data = showsContext.value ? context : shown?.data;
  return (
    <div class="steps">
      <section aria-label="What the machine heard">
        <header>
          <h3>Heard</h3>
          <button
            type="button"
            class="quiet"
            aria-label="The step before"
            title="The step before ([)"
            disabled={place <= 0}
            onClick={() => stepBy(-1)}
          >
            <Sign name="back" />
          </button>
          <span>{place < 0 ? '–' : `${(shown?.n ?? 0) + 1} of ${(steps.at(-1)?.n ?? 0) + 1}`}</span>
          <button
            type="button"
            class="quiet"
            aria-label="The step after"
            title="The step after (])"
            disabled={step.value === null}
            onClick={() => stepBy(1)}
          >
            <Sign name="forth" />
          </button>
          {step.value !== null && (
            <button type="button" onClick={() => (step.value = null)}>
              Latest
            </button>
          )}
        </header>
        <div class="list" ref={list.ref} onScroll={list.onScroll}>
          <div class="room" style={{ height: `${steps.length * ROW}px` }}>
            {steps.slice(list.first, list.last).map((one, index) => (
              <button
                key={one.n}
                type="button"
                class={`step${one === shown ? ' selected' : ''}`}
                aria-pressed={one === shown}
                style={{ top: `${(list.first + index) * ROW}px` }}
                onClick={() => (step.value = one === steps.at(-1) ? null : one.n)}
              >
                <time>{timeText(one.at)}</time>
                <b>{one.event}</b>
                <span>{one.said.join(' · ')}</span>
              </button>
            ))}
          </div>
        </div>
      </section>
      <section aria-label="Data">
        <header>
          <button
            type="button"
            class="tab"
            aria-pressed={!showsContext.value}
            onClick={() => (showsContext.value = false)}
          >
            Event
          </button>
          <button
            type="button"
            class="tab"
            aria-pressed={showsContext.value}
            onClick={() => (showsContext.value = true)}
          >
            Context
          </button>
          <span class="gap" />
          {shown?.rootSeq !== undefined && step.value !== null && moment.value?.rootSeq !== shown.rootSeq && (
            <button type="button" onClick={() => goTo(shown.rootSeq ?? 1)} title="Everything on the page follows">
              Go to this moment
            </button>
          )}
          {isPast.value && (
            <button type="button" onClick={goToPresent}>
              Present
            </button>
          )}
        </header>
        <pre class="data" tabIndex={0}>
          {data === undefined
            ? showsContext.value
              ? 'Not known here.'
              : (shown?.event ?? '')
            : JSON.stringify(data, null, 2)}
        </pre>
      </section>
    </div>
  );
};
