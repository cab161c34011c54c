import type { ComponentChildren } from 'preact';
import type { ReceiptLine } from '../../../src/wire.ts';
import { linkState, note } from '../app.ts';
import { receiptText } from '../model/words.ts';

type Props = {
  /** What the machine says that pressing it would come to; `undefined` while it is being asked. */
  can: ReceiptLine | undefined;
  onPress: () => void;
  class?: string;
  keys?: string;
  /** Its name, where it has only a sign. */
  label?: string;
  submit?: boolean;
  children: ComponentChildren;
};

/**
 * A button that is enabled by what the machine says. While it is not it can still be reached, and says why: a person who
 * presses it learns more than from a button that is dead.
 */
export const ActButton = ({ can, onPress, class: style = '', keys, label, submit = false, children }: Props) => {
  const online = linkState.value === 'open';
  const may = online && can !== undefined && can.status !== 'rejected';
  const why = !online
    ? 'Not connected.'
    : can === undefined
      ? 'Asking the run…'
      : can.status === 'rejected'
        ? `Not now: ${can.reason}.`
        : can.status === 'deferred'
          ? receiptText(can)
          : undefined;
  return (
    <button
      type={submit ? 'submit' : 'button'}
      class={style}
      aria-disabled={!may}
      aria-keyshortcuts={keys}
      aria-label={label}
      title={[label && `${label}.`, why, keys && `(${keys})`].filter(Boolean).join(' ') || undefined}
      onClick={(event) => {
        if (may && submit) return;
        event.preventDefault();
        if (may) onPress();
        else if (why) note(why, 'plain');
      }}
    >
      {children}
    </button>
  );
};
