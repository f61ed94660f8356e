// Reads members of a JSON object in place: no tree, one pass for each member that is looked for. Keys are compared as
// they are written; what is not looked for is only checked as far as it must be to find its end.

const DEPTH_MAX: i32 = 64;

/** A JSON object as text. */
export class JsonObject {
  constructor(private readonly json: string) {}

  /** A member that is a number; `NaN` if there is none, or one that is too large. */
  number(key: string): f64 {
    const value = this.find(key);
    if (value === null || value.length == 0) return NaN;
    for (let at = 0; at < value.length; at++) {
      if (!isNumeric(value.charCodeAt(at))) return NaN;
    }
    const number = F64.parseFloat(value);
    return isFinite(number) ? number : NaN;
  }

  /** Whether a member is `true`. */
  isTrue(key: string): bool {
    const value = this.find(key);
    return value !== null && value == "true";
  }

  /** A member that is a string without escapes; `null` if there is none. */
  text(key: string): string | null {
    const value = this.find(key);
    if (value === null || value.length < 2 || value.charCodeAt(0) != 0x22 || value.includes("\\")) return null;
    return value.substring(1, value.length - 1);
  }

  /** The value of a member as it is written, a string with its quotes; `null` if there is none. */
  find(key: string): string | null {
    const json = this.json;
    let at = this.space(0);
    if (this.at(at) != 0x7b) return null;
    do {
      at = this.space(at + 1);
      const afterKey = this.afterString(at);
      if (afterKey < 0) return null;
      const found = json.substring(at + 1, afterKey - 1) == key;
      at = this.space(afterKey);
      if (this.at(at) != 0x3a) return null;
      at = this.space(at + 1);
      const after = this.afterValue(at);
      if (after <= at) return null;
      if (found) return json.substring(at, after);
      at = this.space(after);
    } while (this.at(at) == 0x2c);
    return null;
  }

  private at(index: i32): i32 {
    return index < this.json.length ? this.json.charCodeAt(index) : 0;
  }

  private space(index: i32): i32 {
    let at = index;
    while (isSpace(this.at(at))) at++;
    return at;
  }

  /** The place after the string that begins at `index`; -1 if there is none. */
  private afterString(index: i32): i32 {
    if (this.at(index) != 0x22) return -1;
    for (let at = index + 1; at < this.json.length; at++) {
      const c = this.at(at);
      if (c == 0x5c) at++;
      else if (c == 0x22) return at + 1;
    }
    return -1;
  }

  /** The place after the value that begins at `index`; -1 if there is none. */
  private afterValue(index: i32): i32 {
    let depth = 0;
    let at = index;
    while (at < this.json.length) {
      const c = this.at(at);
      if (c == 0x22) {
        at = this.afterString(at);
        if (at < 0 || depth == 0) return at;
        continue;
      }
      if (c == 0x7b || c == 0x5b) {
        if (++depth > DEPTH_MAX) return -1;
      } else if (c == 0x7d || c == 0x5d) {
        if (depth == 0) return at;
        if (--depth == 0) return at + 1;
      } else if (depth == 0 && (c == 0x2c || isSpace(c))) {
        return at;
      }
      at++;
    }
    return depth == 0 ? at : -1;
  }
}

/** Whether a character may stand in a number. */
function isNumeric(c: i32): bool {
  return (c >= 0x30 && c <= 0x39) || c == 0x2d || c == 0x2b || c == 0x2e || c == 0x65 || c == 0x45;
}

function isSpace(c: i32): bool {
  return c == 0x20 || c == 0x09 || c == 0x0a || c == 0x0d;
}
