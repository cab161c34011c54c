import ELK from 'elkjs/lib/elk-api.js';
import workerUrl from 'elkjs/lib/elk-worker.min.js?url';
import type { Machine } from '../../../src/wire.ts';
import { type PlacedChart, type PlaceOptions, placeChart } from './place-chart.ts';

let elk: InstanceType<typeof ELK> | undefined;
const placed = new Map<string, Promise<PlacedChart>>();

/** Lays a machine out in a worker, which is loaded with the first chart; once for each machine, shape of panel and detail. */
export const layOut = (machine: Machine, { detailed, ratio }: PlaceOptions): Promise<PlacedChart> => {
  // Panels of about the same shape share a layout: it would jump while a window is being resized.
  const rounded = Math.max(0.25, Math.round(ratio * 2) / 2);
  const key = `${machine.id} ${detailed} ${rounded}`;
  const before = placed.get(key);
  if (before) return before;
  elk ??= new ELK({ workerUrl });
  const now = placeChart(elk, machine, { detailed, ratio: rounded });
  placed.set(key, now);
  return now;
};
