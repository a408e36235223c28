import { isTag } from '../oci/reference.ts';
import type { Value } from './document.ts';
import { momentText, readMoment } from './moment.ts';
import { renderTemplate } from './template.ts';

const MAX_TEMPLATE = 4096;
const MAX_TAG = 128;

/** What templates of tags know; `Time` is the moment of the build. */
export interface TagVariables {
  readonly time: Date;
  readonly texts: Readonly<Record<string, string>>;
}

/**
 * The tag that `image_tag` means: a literal, or a template in Go's language. What no tag may hold is
 * left out.
 *
 * @throws SlipwayError `CONFIG_INVALID` for a template that fails, and where nothing is left
 */
export async function imageTag(value: Value, variables: TagVariables): Promise<string> {
  const text = value.text();
  const rendered = text.includes('{{') ? await render(value, text, variables) : text;
  const tag = rendered
    .replace(/[^A-Za-z0-9_.-]/g, '')
    .replace(/^[.-]+/, '')
    .slice(0, MAX_TAG);
  if (isTag(tag)) return tag;
  throw value.wrong(
    `gives no tag: nothing is left of ${JSON.stringify(rendered.slice(0, 200))}`,
    'a tag is made of letters, digits, _, . and -',
  );
}

async function render(
  value: Value,
  template: string,
  { time, texts }: TagVariables,
): Promise<string> {
  if (template.length > MAX_TEMPLATE)
    throw value.wrong(`is longer than ${MAX_TEMPLATE} characters`);
  const values: Record<string, unknown> = { ...texts, Ci: true, Time: momentText(time) };
  // The engine is given plain values, so what methods of the time give is put among them.
  const known = template.replace(
    /\{\{(?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^}"`]|\}(?!\}))*\}\}/g,
    (action) =>
      action.replace(CALL_OR_TEXT, (found, method?: string, argument?: string) => {
        if (method === undefined) return found;
        const name = `Time_${Object.keys(values).length}`;
        try {
          values[name] = readMoment(time, method, argument);
        } catch (error) {
          throw value.wrong(`can't be used: ${error instanceof Error ? error.message : 'Time'}`);
        }
        return `.${name}`;
      }),
  );
  const rendered = await renderTemplate({ template: known, values });
  if ('text' in rendered) return rendered.text;
  const names = [...Object.keys(texts), 'Ci', 'Time'].sort().join(', ');
  throw value.wrong(`is a template that fails: ${rendered.problem}`, `known are ${names}`);
}

/** A text in quotes, which is left alone, or a method of the time with the text it is given. */
const CALL_OR_TEXT =
  /"(?:[^"\\]|\\.)*"|`[^`]*`|(?<![\w.])\.Time\.((?:UTC\.|Local\.)?\w+)(?:\s+("(?:[^"\\]|\\.)*"|`[^`]*`))?/g;
