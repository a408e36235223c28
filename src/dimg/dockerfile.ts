import type { Dockerfile } from '../build/engine.ts';
import { SlipwayError } from '../errors.ts';
import type { DockerDirectives, ImportRule } from './config.ts';

/** A Dockerfile of lines that were made here. */
export function dockerfileOf(what: string, lines: readonly string[]): Dockerfile {
  // What a configuration says must not become a line of its own.
  const broken = lines.find((line) => /[\r\n]/.test(line));
  if (broken !== undefined) {
    throw new SlipwayError('CONFIG_INVALID', `${what}: a value has more than one line`, {
      hint: JSON.stringify(broken.slice(0, 100)),
    });
  }
  return { name: what, bytes: Buffer.from(`${lines.join('\n')}\n`) };
}

/** The line that copies a folder's content into a folder of the image. */
export function copyLine(
  from: string,
  to: string,
  options: {
    readonly owner?: string | undefined;
    readonly group?: string | undefined;
    /** an image, instead of the context */
    readonly image?: string;
    readonly exclude?: readonly string[];
  } = {},
): string {
  const { owner, group, image, exclude = [] } = options;
  const chown =
    owner === undefined && group === undefined
      ? []
      : [`--chown=${account(owner ?? '0')}${group === undefined ? '' : `:${account(group)}`}`];
  const flags = [
    ...(image === undefined ? [] : [`--from=${image}`]),
    ...chown,
    ...exclude.map((pattern) => `--exclude=${flagValue(pattern)}`),
  ];
  return ['COPY', ...flags, JSON.stringify([literal(from), literal(to)])].join(' ');
}

/** The lines that import files of another image. */
export function importLines(rule: ImportRule, image: string): readonly string[] {
  const { add, to, includePaths, excludePaths, owner, group } = rule;
  const below = (folder: string, path: string) => `${folder === '/' ? '' : folder}/${path}`;
  const paths = includePaths.length === 0 ? [undefined] : includePaths;
  return paths.map((path) =>
    copyLine(
      path === undefined ? add : below(add, path),
      path === undefined ? to : below(to, path),
      { owner, group, image, exclude: excludePaths },
    ),
  );
}

/** The lines of docker directives. */
export function directiveLines(directives: DockerDirectives): readonly string[] {
  const {
    VOLUME = [],
    EXPOSE = [],
    ENV = {},
    LABEL = {},
    ENTRYPOINT,
    CMD,
    ONBUILD = [],
  } = directives;
  const pairs = (word: string, table: Readonly<Record<string, string>>) =>
    Object.entries(table).map(([name, value]) => `${word} ${quoted(name)}=${quoted(value)}`);
  const command = (word: string, value: string | readonly string[] | undefined) =>
    value === undefined
      ? []
      : [`${word} ${typeof value === 'string' ? value : JSON.stringify(value)}`];
  const text = (word: string, value: string | undefined) =>
    value === undefined ? [] : [`${word} ${value}`];
  return [
    ...(VOLUME.length === 0 ? [] : [`VOLUME ${JSON.stringify(VOLUME.map(literal))}`]),
    ...EXPOSE.map((port) => `EXPOSE ${port}`),
    ...pairs('ENV', ENV),
    ...pairs('LABEL', LABEL),
    ...command('ENTRYPOINT', ENTRYPOINT),
    ...command('CMD', CMD),
    ...ONBUILD.map((line) => `ONBUILD ${line}`),
    ...text('WORKDIR', directives.WORKDIR),
    ...text('USER', directives.USER),
    ...text('STOPSIGNAL', directives.STOPSIGNAL),
    ...text('HEALTHCHECK', directives.HEALTHCHECK),
  ];
}

/** A text that no variable is put into. */
function literal(text: string): string {
  return text.replace(/[\\$]/g, '\\$&');
}

function quoted(text: string): string {
  return `"${text.replace(/["\\$]/g, '\\$&')}"`;
}

function account(name: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) return name;
  throw new SlipwayError('CONFIG_INVALID', `${JSON.stringify(name)} is no user or group`);
}

function flagValue(pattern: string): string {
  if (!/[\s"'\\$]/.test(pattern)) return pattern;
  throw new SlipwayError(
    'CONFIG_INVALID',
    `${JSON.stringify(pattern)} can't be excluded from an import`,
    { hint: 'write a pattern without blanks and quotes' },
  );
}
