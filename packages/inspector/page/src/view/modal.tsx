import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { dialog } from '../app.ts';
import { Sign } from './icons.tsx';

/** A window over the page. Escape closes it, and the focus goes back to where it was. */
export const Modal = ({
  title,
  wide = false,
  children,
}: {
  title: string;
  wide?: boolean;
  children: ComponentChildren;
}) => {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    ref.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const close = () => {
    dialog.value = null;
  };
  return (
    <dialog ref={ref} class={wide ? 'wide' : ''} aria-label={title} onClose={close} onCancel={close}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={close}>
          <Sign name="close" />
        </button>
      </header>
      {children}
    </dialog>
  );
};
