import { printable } from '../bytes/printable.ts';
import { HIDDEN, withoutSecrets } from '../bytes/secrets.ts';
import { parseChallenges } from './challenge.ts';

/**
 * What of HTTP may be shown to people and written to logs. All output passes here: what isn't on
 * a list is left out, so that a new kind of secret is hidden before anybody has heard of it.
 */

/**
 * Query parameters whose values are shown. `artifactType` filters referrers, `tag` names tags of one
 * PUT, `ns` is the registry that a mirror is asked for; all others may be signatures.
 */
const SHOWN_PARAMETERS: ReadonlySet<string> = new Set([
  ...['digest', 'mount', 'from', 'n', 'last', 'scope', 'service'],
  ...['artifactType', 'tag', 'ns'],
]);

/** Headers whose values are shown; of the others not even the name. */
const SHOWN_HEADERS: readonly string[] = [
  ...['accept', 'accept-ranges', 'age', 'allow', 'connection', 'content-encoding'],
  ...['content-length', 'content-range', 'content-type', 'date', 'range', 'retry-after'],
  ...['server', 'transfer-encoding', 'user-agent', 'via', 'warning'],
  ...['docker-content-digest', 'docker-distribution-api-version', 'docker-upload-uuid'],
  ...['oci-chunk-min-length', 'oci-filters-applied', 'oci-subject', 'oci-tag'],
  ...['ratelimit-limit', 'ratelimit-remaining', 'x-request-id'],
];

/** Parameters of a challenge that are shown; its realm is a URL. */
const SHOWN_OF_CHALLENGE = ['service', 'scope', 'error', 'error_description'];

const MAX_VALUE_LENGTH = 500;
/** More of a header isn't looked at. */
const MAX_READ_LENGTH = 4_000;

/** A URL for people: no user information, no fragment, and of the query what is no secret. */
export function showUrl(url: URL | string): string {
  const parsed = typeof url === 'string' ? URL.parse(url) : url;
  if (parsed === null) return withoutSecrets(unparsed(String(url)));
  const shown = new URL(parsed);
  const hasUser = shown.username !== '' || shown.password !== '';
  shown.username = '';
  shown.password = '';
  shown.hash = '';
  shown.search = '';
  const plain = hasUser ? shown.toString().replace('//', `//${HIDDEN}@`) : shown.toString();
  return withoutSecrets(`${plain}${showQuery(parsed.search)}`);
}

/** The query as it stands, with the values of what isn't known to be harmless left out. */
function showQuery(search: string): string {
  return search.replace(/([?&])([^=&]*)(=?)([^&]*)/g, (_whole, before, name, equals, value) => {
    // A part without a name is all value.
    if (equals === '') return `${before}${name === '' ? '' : HIDDEN}`;
    const isShown = value === '' || SHOWN_PARAMETERS.has(name);
    return `${before}${name}=${isShown ? value : HIDDEN}`;
  });
}

/** What looks like a URL to people only: without all that such a text may hide. */
function unparsed(text: string): string {
  const [beforeQuery = ''] = text.split(/[?#]/, 1);
  const shown = beforeQuery.replace(/(\/\/|^)[^/@]*@/, `$1${HIDDEN}@`);
  return beforeQuery.length === text.length ? shown : `${shown}?${HIDDEN}`;
}

/** A header that was quoted, or the value of one. */
const AUTHORIZATION =
  /(\bauthorization["']?\s*[:=]\s*["']?(?:(?:basic|bearer|token)\s+)?|\b(?:basic|bearer)\s+(?=[A-Za-z0-9\-._~+/]{16}))[^\s"',;]+/gi;

/** A login before a host without a scheme; what is before a digest is an image's name. */
const USER_BEFORE_HOST =
  /(?<![\w./:@-])[^\s/:@"'`<>()[\]]{1,200}:[^\s/@"'`<>()[\]]{1,300}@(?!sha\d+:)(?=[\w[])/g;

/** Text from outside, with every URL in it shown as {@link showUrl} does, and without secrets. */
export function showText(text: string): string {
  return withoutSecrets(
    text
      .replace(/\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s"'<>`|\\^{}]+/gi, inText)
      .replace(AUTHORIZATION, `$1${HIDDEN}`)
      .replace(USER_BEFORE_HOST, `${HIDDEN}@`),
  );
}

const PLACEHOLDER = /\/\/\[?USER:PASS(?:WORD)?@\]?HOST\b[^@?]*$/;

/** A URL in a sentence; what ends the sentence isn't its end. */
function inText(found: string): string {
  const [end = ''] = /[.,;:!?)\]]{0,9}$/.exec(found) ?? [];
  const url = found.slice(0, found.length - end.length);
  // Our own hints say where a login goes.
  if (PLACEHOLDER.test(url)) return found;
  // Only what hides something is written anew: parsers tidy up more than that.
  return /[?#]|\/\/[^/]*@/.test(url) ? `${showUrl(url)}${end}` : found;
}

/** True for the name of a field of JSON whose value is a secret, however it is written. */
export function isSecretField(name: string): boolean {
  return /^(?:.*token|pass|.*pass(?:word|wd|phrase)|.*secret.*|auth|authorization|cookie|credentials?|.*apikey|privatekey|signature)$/.test(
    name.toLowerCase().replace(/[-_.\s]/g, ''),
  );
}

/**
 * The headers that may be shown, by lower-case name.
 *
 * @param values all values of a header, by its lower-case name
 * @param from the URL that a Location is relative to
 */
export function showHeaders(
  values: (name: string) => readonly string[],
  from: URL,
): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const name of [...SHOWN_HEADERS, ...Object.keys(SHOWN_IN_PART)]) {
    const found = values(name).map((value) => withoutSecrets(value).slice(0, MAX_READ_LENGTH));
    if (found.length === 0) continue;
    const text = SHOWN_IN_PART[name]?.(found, from) ?? showText(found.join(', '));
    shown[name] = printable(text, MAX_VALUE_LENGTH);
  }
  return shown;
}

/** Headers that hold URLs. */
const SHOWN_IN_PART: Readonly<Record<string, (values: readonly string[], from: URL) => string>> = {
  location: (values, from) => values.map((value) => showReference(value, from)).join(', '),
  link: showLinks,
  'www-authenticate': showChallenges,
};

function showLinks(values: readonly string[], from: URL): string {
  const links = values.join(', ').matchAll(/<([^<>]*)>([^<]*)/g);
  const shown = [...links].map(([, target = '', rest = '']) => {
    const [relation = ''] = /;\s*rel\s*=\s*(?:"[^"]*"|[^\s;,]+)/i.exec(rest) ?? [];
    return `<${showReference(target, from)}>${relation}`;
  });
  return shown.join(', ');
}

function showReference(text: string, from: URL): string {
  const url = URL.parse(text, from.toString());
  return url === null ? unparsed(text) : showUrl(url);
}

function showChallenges(values: readonly string[], from: URL): string {
  return parseChallenges(values)
    .map(({ scheme, parameters }) => {
      const realm = parameters.get('realm');
      // Basic's realm is a name, Bearer's a URL.
      const place = scheme === 'bearer' && realm !== undefined ? showReference(realm, from) : realm;
      const shown = SHOWN_OF_CHALLENGE.flatMap((name) => {
        const value = parameters.get(name);
        return value === undefined ? [] : [`${name}="${showText(value)}"`];
      });
      const all = place === undefined ? shown : [`realm="${showText(place)}"`, ...shown];
      return [scheme, all.join(',')].join(' ').trim();
    })
    .join(', ');
}
