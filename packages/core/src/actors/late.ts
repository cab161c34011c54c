/**
 * Properties that are worked out when they are read, each time, from what their object was made of. All objects of a kind share the
 * getters: one that an object brings along is made to last by V8, and whatever it knows of, a whole run, lasts with it until memory
 * is cleared up for good.
 *
 * @param getters What each property is, of what its object was made of.
 * @returns A function that gives an object these properties, beside those it has.
 */
export const lateProperties = <Of, Late extends object>(getters: { [K in keyof Late]: (of: Of) => Late[K] }) => {
  const origin = Symbol('origin');
  const accessors = Object.entries<(of: Of) => unknown>(getters).map(([key, getter]): [string, PropertyDescriptor] => [
    key,
    {
      enumerable: true,
      configurable: true,
      get(this: { [origin]: Of }) {
        return getter(this[origin]);
      },
    },
  ]);
  return <Rest extends object>(rest: Rest, of: Of): Rest & Readonly<Late> => {
    Object.defineProperty(rest, origin, { value: of });
    // One by one: `defineProperties` takes twice as long.
    for (const [key, accessor] of accessors) Object.defineProperty(rest, key, accessor);
    return rest as Rest & Readonly<Late>;
  };
};
