/** An image or a file of a message. */
type Attachment = { type: 'image' | 'file'; url: string; mediaType?: string | undefined; name?: string | undefined };

/** The media type of a part: as given, or read from its `data:` URL. */
const mediaTypeOf = ({ url, mediaType }: Attachment): string =>
  (mediaType ?? /^data:([^;,]+)[;,]/i.exec(url)?.[1] ?? '').toLowerCase();

/** True for what a model looks at instead of reads, however the part is called. */
export const isImage = (part: Attachment): boolean => part.type === 'image' || mediaTypeOf(part).startsWith('image/');

/** True when the content itself is in the URL. */
export const isData = ({ url }: Attachment): boolean => /^data:/i.test(url);

/** A name for a file, which vendors insist on: as given, or made from the media type. */
export const fileNameOf = (part: Attachment): string => {
  if (part.name !== undefined) return part.name;
  const ending = /^[a-z]+\/(?:x-)?([a-z0-9]{1,8})(?:$|[;+])/.exec(mediaTypeOf(part))?.[1];
  return ending === undefined ? 'attachment' : `attachment.${ending}`;
};
