import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

/** The part of a long list that is on the screen. */
export type ListWindow = {
  ref: { current: HTMLDivElement | null };
  first: number;
  last: number;
  onScroll: (event: Event) => void;
  /** Scrolls as little as is needed for the row to be seen. */
  reveal: (index: number) => void;
};

const EXTRA = 6;

/** A list of rows of one height, of which only those that can be seen are drawn. */
export const useWindow = (count: number, rowHeight: number): ListWindow => {
  const ref = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  useLayoutEffect(() => {
    const box = ref.current;
    if (!box) return;
    const watch = new ResizeObserver(() => setHeight(box.clientHeight));
    watch.observe(box);
    return () => watch.disconnect();
  }, []);
  return {
    ref,
    first: Math.max(0, Math.min(count, Math.floor(top / rowHeight)) - EXTRA),
    last: Math.min(count, Math.ceil((top + height) / rowHeight) + EXTRA),
    onScroll: (event) => setTop((event.currentTarget as HTMLElement).scrollTop),
    reveal: (index) => {
      const box = ref.current;
      if (!box) return;
      const from = index * rowHeight;
      if (from < box.scrollTop) box.scrollTop = from;
      else if (from + rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = from + rowHeight - box.clientHeight;
    },
  };
};

/** Keeps a list at its end while it grows, unless somebody has scrolled up. */
export const useFollow = (ref: { current: HTMLElement | null }, size: unknown): void => {
  const following = useRef(true);
  useEffect(() => {
    const box = ref.current;
    if (!box) return;
    const notice = () => {
      following.current = box.scrollTop + box.clientHeight >= box.scrollHeight - 24;
    };
    box.addEventListener('scroll', notice, { passive: true });
    return () => box.removeEventListener('scroll', notice);
  }, [ref]);
  useLayoutEffect(() => {
    const box = ref.current;
    if (box && following.current) box.scrollTop = box.scrollHeight;
  }, [ref, size]);
};
