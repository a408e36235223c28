import { SlipwayError } from '../errors.ts';

const VARIABLE = /\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)/g;
/** An empty version leaves no separator behind. */
const VERSION_PART = /[_.-]\$\(VERSION\)|^\$\(VERSION\)[_.-]?/;

/**
 * Puts the values of variables into a text.
 *
 * @param what names the text in errors
 * @throws SlipwayError `CONFIG_INVALID` for a variable that nobody has set
 */
export function expandTemplate(
  text: string,
  lookUp: (name: string) => string | undefined,
  what: string,
): string {
  return text.replace(VARIABLE, (_, name: string) => {
    const value = lookUp(name);
    if (value !== undefined) return value;
    throw new SlipwayError('CONFIG_INVALID', `${what}: ${name} has no value`, {
      hint: `say ${name}=… on the command line, or give it a default under make: variables: in slipway.yaml`,
    });
  });
}

/** The text of a tag for an image without a version. */
export function withoutVersion(template: string): string {
  return template.replace(VERSION_PART, '');
}

/** What of a tag is version and date; undefined if the tag isn't made by the template. */
export interface TagParts {
  readonly version: string;
  readonly date: string;
}

/** Makes a reader of the tags that a template makes. */
export function tagReader(
  template: string,
  lookUp: (name: string) => string | undefined,
  what: string,
): (tag: string) => TagParts | undefined {
  const names: string[] = [];
  const pattern = template
    .split(/(\$\([^)]*\))/)
    .map((part) => {
      const name = /^\$\((.*)\)$/.exec(part)?.[1];
      if (name === 'VERSION' || name === 'BUILDDATE') {
        names.push(name);
        return name === 'VERSION' ? '(.+)' : '([0-9]{8})';
      }
      return escaped(name === undefined ? part : expandTemplate(part, lookUp, what));
    })
    .join('');
  const expression = new RegExp(`^${pattern}$`);
  return (tag) => {
    const match = expression.exec(tag);
    if (match === null) return undefined;
    const part = (name: string): string => match[names.indexOf(name) + 1] ?? '';
    return {
      version: names.includes('VERSION') ? part('VERSION') : '',
      date: names.includes('BUILDDATE') ? part('BUILDDATE') : '',
    };
  };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
