/** How servers say that a request does not fit into the model's context. None but OpenAI has a code for it that lasted. */
const patterns: readonly RegExp[] = [
  // OpenAI, vLLM, SGLang, Groq, Mistral: "This model's maximum context length is 8192 tokens …"
  /maximum context length/i,
  // OpenAI on the Responses wire; llama-cpp-python: "Requested tokens (2285) exceed context window of 2048"
  /exceeds? (the |this |the model's |this model's )?context window/i,
  // vLLM: "However, the model's context length is only 4096 tokens"; "The decoder prompt (length 5000) is longer than the maximum model length of 4096", "… is too long to fit into the model"
  /model's context length is only/i,
  /longer than the (maximum model|model's context) length/i,
  /too long to fit into the model/i,
  // llama.cpp: "the request exceeds the available context size …", "context size exceeded"; LM Studio: "Context size has been exceeded."
  /exceeds the available context size/i,
  /context (size|length|window) (has been )?exceeded/i,
  // Ollama: "the input length exceeds the context length", "prompt too long; exceeded max context length by 12 tokens"
  /exceed(s|ed)? (the |max |maximum )*context length/i,
  // LM Studio: "Trying to keep the first 111490 tokens when context the overflows. However, …", "… (n_keep: 13055>= n_ctx: 4096)"
  /when context the overflows/i,
  /greater than the context length/i,
  /n_keep\b.{0,20}>=? ?n_ctx/i,
  /reached context length of/i,
  // Anthropic, Bedrock, Gemini, xAI behind compatible endpoints
  /prompt is too long/i,
  /input is too long for requested model/i,
  /input token count.{0,40}exceeds the maximum/i,
  /maximum prompt length is/i,
  /input token count is \d+ but model only supports/i,
  /exceeds? context limit/i,
  // Kimi, MiniMax, Cohere, Copilot
  /exceeded model token limit/i,
  /context window exceeds limit/i,
  /too many tokens: size limit exceeded/i,
  /prompt token count of \d+ exceeds the limit/i,
  // TGI, Together: "`inputs` tokens + `max_new_tokens` must be <= 4097"
  /`inputs` tokens \+ `max_new_tokens` must be <=/i,
];

/** What servers advise then, Groq and Cerebras without saying why. Those that are overloaded or down advise the same. */
const advice = /reduce the length of the messages/i;

/**
 * True when a server's error message means that the request is too long for the model.
 *
 * @param status The HTTP status of the error, where it has one.
 */
export const isContextLengthMessage = (message: string, status = 400): boolean =>
  patterns.some((pattern) => pattern.test(message)) || (status < 500 && advice.test(message));
