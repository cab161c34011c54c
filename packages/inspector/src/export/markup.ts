/** HTML that is known to be safe: made by {@link html} alone. */
export type Markup = { readonly markup: string };

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => entities[sign] ?? sign);

type Value = string | number | Markup | readonly Markup[] | undefined;

const markupOf = (value: Value): string => {
  if (value === undefined) return '';
  if (typeof value === 'object') return 'markup' in value ? value.markup : value.map(({ markup }) => markup).join('');
  return escaped(String(value));
};

/** A piece of HTML. Whatever stands in `${…}` is text, unless it was made in this way itself. Attributes must stand in quotes. */
export const html = (parts: TemplateStringsArray, ...values: readonly Value[]): Markup => ({
  markup: parts.reduce((all, part, n) => all + markupOf(values[n - 1]) + part),
});
