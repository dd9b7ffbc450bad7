// The SHA-256 of bytes, in hexadecimal digits; browsers compute it only where they trust the page.
export async function digest(buffer) {
  if (!globalThis.crypto?.subtle) throw new Error("this page needs HTTPS or localhost");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
