// The table of predictions as `sightx predict` writes it: the same columns, the same cells.

const FORMULA = /^'*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;
const NUMBER = /^[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?$/;

// A name such as =HYPERLINK(…) would run in a spreadsheet; an apostrophe in front makes it text (see data/cells.py).
export function shieldCell(text) {
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
}

export function quoteCell(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function fillCell(column, image) {
  if (column.startsWith("p_") && Object.hasOwn(image.probabilities, column.slice(2))) return image.probabilities[column.slice(2)];
  const said = { image: image.name, prediction: image.prediction, predictions: image.prediction };
  return column in said ? said[column] : image[column];
}

export function writeTable(columns, images) {
  const write = (value) =>
    value == null ? "" : quoteCell(typeof value === "number" ? value.toFixed(6) : shieldCell(String(value)));
  const rows = images.map((image) => columns.map((column) => write(fillCell(column, image))));
  return [columns.map((column) => write(column)), ...rows].map((row) => row.join(",") + "\r\n").join("");
}
