/**
 * Text from outside, made safe to print: no control characters (escape sequences can rewrite a
 * screen), no direction overrides, no marker by which a CI system finds commands in the middle of
 * a line (`##vso[`, GitLab's `section_start:`), white space folded, and cut at `maxLength` characters.
 */
export function printable(text: string, maxLength = 300): string {
  const clean = text
    .replace(/[\s\u0085]+/g, ' ')
    .replace(
      /[\u0000-\u001f\u007f-\u009f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
      '',
    )
    .replace(/##(?=(?:vso|teamcity)?\[)/g, '# #')
    .replace(/section_(?=(?:start|end):)/g, 'section _')
    .trim();
  return clean.length > maxLength ? `${clean.slice(0, maxLength)}…` : clean;
}
