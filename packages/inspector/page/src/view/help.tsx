import { Modal } from './modal.tsx';

const KEYS: [keys: string, does: string][] = [
  ['↑ ↓', 'the run above, below'],
  ['→ ←', 'show, hide its children'],
  ['/', 'filter runs'],
  ['1 … 5', 'chart, conversation, timeline, sequence, events'],
  ['a', 'answer the open question'],
  ['s', 'steer'],
  ['p', 'pause or resume'],
  ['i', 'interrupt'],
  ['b', 'raise the budget'],
  ['n', 'no new children of it and all below, or new ones again'],
  ['f', 'fork from this moment'],
  ['e', 'export: take the run along as a file'],
  ['[ ]', 'the step of the chart before, after'],
  [', .', 'the event of the tree before, after'],
  ['l', 'back to the present'],
  ['t', 'light, dark, as the system'],
  ['?', 'this list'],
  ['Esc', 'close'],
];

const WORDS: [word: string, means: string][] = [
  ['Run', 'one execution of an agent. It may start others: its children.'],
  ['Older runs', 'what is stored and not shown. A run is found by its id, too: filter by it.'],
  ['Turn', 'one answer of the model, and the tool calls in it.'],
  ['Question', 'what a run waits for a person to answer.'],
  ['Budget', 'what a run may spend. The bar in the tree is the limit that is closest.'],
  ['Fork', 'a new tree that goes on from an event of a stored one, another way.'],
];

export const Help = () => (
  <Modal title="Keys and words" wide>
    <div class="help">
      <dl class="keys">
        {KEYS.map(([keys, does]) => (
          <div key={keys}>
            <dt>{keys.split(' ').map((key) => (key === '…' ? ' … ' : <kbd key={key}>{key}</kbd>))}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <dl class="words">
        {WORDS.map(([word, means]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{means}</dd>
          </div>
        ))}
      </dl>
    </div>
  </Modal>
);
