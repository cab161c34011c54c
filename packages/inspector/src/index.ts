export { type ExportedFile, exportAs } from './export/export-as.ts';
export { toHTML } from './export/to-html.ts';
export { toJSONL } from './export/to-jsonl.ts';
export { toMarkdown } from './export/to-markdown.ts';
export { toMermaidChart } from './export/to-mermaid-chart.ts';
export { toMermaidSequence } from './export/to-mermaid-sequence.ts';
export { type InspectOptions, type Inspector, inspect, inspectActors, inspectStore } from './inspect.ts';
export { type StatelyInspector, type StatelyInspectorOptions, statelyInspector } from './stately-inspector.ts';
export {
  ActorLine,
  Can,
  Chart,
  ChartEdge,
  ChartState,
  Command,
  Entry,
  ExportFormat,
  Gauge,
  Happening,
  Line,
  Machine,
  ReceiptLine,
  RunLine,
  Spending,
  Step,
  ToHub,
  ToPage,
  wireVersion,
} from './wire.ts';
