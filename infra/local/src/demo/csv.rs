//! CSV files of purchases: columns `customer`, `order`, `date` and `fen`, with a header line.

use huitou::values::LocalDay;

use super::log::{BadLine, Log, Purchase};

const COLUMNS: [&str; 4] = ["customer", "order", "date", "fen"];

/// Reads a CSV text; an error when the header lacks a column.
///
/// A row that can't be read is named in the log by its line, and the others count.
pub fn read(text: &str) -> Result<Log, String> {
    let mut rows = Rows::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    let places = match rows.next() {
        Some((_, Ok(header))) => places(&header)?,
        _ => {
            return Err(format!("The file has no header line with the columns {}.", COLUMNS.join(", ")));
        }
    };
    let (mut purchases, mut bad_lines) = (Vec::new(), Vec::new());
    for (line, row) in rows {
        match row.and_then(|fields| purchase(&fields, places)) {
            Ok(purchase) => purchases.push(purchase),
            Err(reason) => bad_lines.push(BadLine { line, reason }),
        }
    }
    Ok(Log::new("import", purchases, bad_lines))
}

/// Where each column stands in this file.
fn places(header: &[String]) -> Result<[usize; 4], String> {
    let mut places = [0; 4];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = header.iter().position(|name| name.trim().eq_ignore_ascii_case(column));
        *place = found
            .ok_or_else(|| format!("The header lacks the column {column}: it has to name {}.", COLUMNS.join(", ")))?;
    }
    Ok(places)
}

fn purchase(fields: &[String], places: [usize; 4]) -> Result<Purchase, String> {
    let [customer, order, date, fen] = places.map(|place| fields.get(place).map_or("", |f| f.trim()));
    if fields.len() < COLUMNS.len() {
        return Err(format!("expected {} columns, found {}", COLUMNS.len(), fields.len()));
    }
    if customer.is_empty() {
        return Err("the customer is empty".to_owned());
    }
    if order.is_empty() {
        return Err("the order is empty".to_owned());
    }
    let amount = || fen.parse::<i64>().ok().filter(|fen| *fen >= 0);
    Ok(Purchase {
        customer: customer.to_owned(),
        order_id: order.to_owned(),
        day: LocalDay::parse(date).map_err(|_| format!("the date {date:?} is not written as 2026-03-01"))?,
        fen: amount().ok_or_else(|| format!("the amount {fen:?} is no whole number of fen from zero"))?,
    })
}

/// The rows of a CSV text, each with the number of its first line; blank lines are passed over.
struct Rows<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
}

impl<'a> Rows<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), line: 1 }
    }

    /// A row up to the end of its line, which a quoted field may carry further.
    fn row(&mut self) -> Result<Vec<String>, String> {
        let mut fields = vec![String::new()];
        while let Some(c) = self.rest.next() {
            match c {
                '\n' => {
                    self.line += 1;
                    break;
                }
                '\r' if self.rest.peek() == Some(&'\n') => {}
                ',' => fields.push(String::new()),
                '"' => {
                    let quoted = self.quoted()?;
                    if let Some(field) = fields.last_mut() {
                        field.push_str(&quoted);
                    }
                }
                other => {
                    if let Some(field) = fields.last_mut() {
                        field.push(other);
                    }
                }
            }
        }
        Ok(fields)
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut field = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                '"' if self.rest.next_if_eq(&'"').is_some() => field.push('"'),
                '"' => return Ok(field),
                other => {
                    self.line += usize::from(other == '\n');
                    field.push(other);
                }
            }
        }
        Err("a quotation mark is not closed before the end of the file".to_owned())
    }
}

impl Iterator for Rows<'_> {
    type Item = (usize, Result<Vec<String>, String>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.rest.peek()?;
            let line = self.line;
            let row = self.row();
            let blank = row.as_ref().is_ok_and(|fields| matches!(fields.as_slice(), [only] if only.trim().is_empty()));
            if !blank {
                return Some((line, row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_may_stand_in_any_order_and_fields_may_be_quoted() {
        let log = read(
            "\u{feff}Date,fen,order,customer\r\n2026-03-02,1999,A-2,\"Li, \"\"Ming\"\"\"\r\n\r\n2026-03-01,0,A-1,7\r\n",
        );
        let purchases = log.unwrap().purchases;
        assert_eq!((purchases[0].order_id.as_str(), purchases[0].fen), ("A-1", 0));
        assert_eq!(purchases[1].customer, "Li, \"Ming\"");
    }

    #[test]
    fn each_bad_row_is_named_by_its_line_and_the_import_goes_on() {
        let text = "customer,order,date,fen\n1,a,2026-03-01,100\n,b,2026-03-01,100\n1,,2026-03-01,100\n1,d,yesterday,100\n1,e,2026-03-01,-5\n1,f,2026-03-01,1.5\n1,g\n\"1\n2\",h,2026-03-01,7\n1,i,2026-03-01,8\n";
        let log = read(text).unwrap();
        assert_eq!(log.purchases.iter().map(|p| p.order_id.as_str()).collect::<Vec<_>>(), ["a", "h", "i"]);
        assert_eq!(log.bad_lines.iter().map(|b| b.line).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8]);
        assert!(log.bad_lines[2].to_string().contains("line 5: the date \"yesterday\""));
    }

    #[test]
    fn a_header_without_a_column_is_refused_in_a_sentence() {
        assert!(read("customer,order,date\n1,a,2026-03-01\n").unwrap_err().contains("lacks the column fen"));
        assert!(read("").unwrap_err().contains("no header line"));
    }

    #[test]
    fn a_quotation_mark_that_stays_open_is_a_bad_row() {
        let log = read("customer,order,date,fen\n1,a,2026-03-01,1\n\"2,b,2026-03-01,1\n").unwrap();
        assert_eq!((log.purchases.len(), log.bad_lines[0].line), (1, 3));
    }
}
