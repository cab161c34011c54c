/** True for arguments as they should be: the text of a JSON object. */
export const isObject = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
};

/**
 * The arguments of an earlier call as they are sent back. Malformed ones stand in an object: vLLM, SGLang and llama.cpp read them, and
 * refuse the whole conversation for one that they cannot.
 */
export const sentArguments = (text: string): string => {
  if (text.trim() === '') return '{}';
  return isObject(text) ? text : JSON.stringify({ malformed: text });
};
