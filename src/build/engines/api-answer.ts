import { printable } from '../../bytes/printable.ts';
import type { Bytes } from '../../bytes/stream.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import { isJsonObject, type JsonObject } from '../../oci/json.ts';

/** One message of a build; more is no honest engine. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/**
 * Reads what an engine tells about a build, as events, and gives the id of the image
 * (https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageBuild).
 *
 * @throws SlipwayError `COMMAND_FAILED` if a step failed or the engine ended in the middle
 */
export async function readBuildAnswer(
  body: Bytes,
  { engine, emit }: { readonly engine: string; readonly emit: Emit },
): Promise<string> {
  let id: string | undefined;
  const tell = lineTeller((line) => emit({ type: 'build.output', engine, line }));
  try {
    for await (const message of messagesOf(body, engine)) {
      const { stream, status, aux, error, errorDetail } = message;
      if (typeof stream === 'string') {
        tell(stream);
        id = /^Successfully built ([0-9a-f]{12,64})$/m.exec(stream)?.[1] ?? id;
      } else if (typeof status === 'string' && message.progressDetail === undefined) {
        tell(`${status}\n`);
      }
      if (isJsonObject(aux) && typeof aux.ID === 'string') id = aux.ID;
      if (error !== undefined || errorDetail !== undefined) {
        throw stepFailed(engine, error, errorDetail);
      }
    }
  } catch (error) {
    if (!isSlipwayError(error, 'NETWORK')) throw error;
    throw new SlipwayError('COMMAND_FAILED', `${engine} ended in the middle of the build`, {
      hint: 'look at its log, start it again, and build again: what was done is in its cache',
      cause: error,
    });
  }
  tell('\n');
  if (id !== undefined) return id;
  throw new SlipwayError('COMMAND_FAILED', `${engine} ended the build without an image`, {
    hint: 'it may have been stopped in the middle; look at its log',
  });
}

function stepFailed(engine: string, error: unknown, detail: unknown): SlipwayError {
  const message = isJsonObject(detail) ? detail.message : undefined;
  const text = typeof message === 'string' && message !== '' ? message : String(error ?? '');
  return new SlipwayError('COMMAND_FAILED', `the build failed: ${printable(text, 500)}`, {
    hint: `what ${engine} said stands above; --progress plain shows all of it`,
  });
}

async function* messagesOf(body: Bytes, engine: string): AsyncGenerator<JsonObject> {
  const decoder = new TextDecoder();
  let rest = '';
  const parse = (line: string): JsonObject[] => {
    if (line.trim() === '') return [];
    try {
      const json: unknown = JSON.parse(line);
      if (isJsonObject(json)) return [json];
    } catch {
      // Told below.
    }
    throw new SlipwayError('SERVER_ERROR', `${engine} tells about the build in no known way`);
  };
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield* parse(line);
    if (rest.length > MAX_MESSAGE_BYTES) {
      throw new SlipwayError('LIMIT_EXCEEDED', `${engine} sends a message without end`);
    }
  }
  yield* parse(rest);
}

/** Joins pieces of text to lines. */
function lineTeller(emit: (line: string) => void): (text: string) => void {
  let open = '';
  return (text) => {
    const lines = (open + text).split(/[\r\n]+/);
    open = (lines.pop() ?? '').slice(-8192);
    for (const line of lines) {
      const shown = printable(line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, ''), 8192);
      if (shown !== '') emit(shown);
    }
  };
}
