//! Dead letters on their way back: what an operator does after mending what made them.

use rusqlite::params;

use super::store::{Store, new_id};
use super::{Queues, Refusal, now_ms};
use crate::template::queue_arn;

impl Queues {
    /// Moves every dead letter back to the queue that gave it up, or to `destination`; says how many went.
    ///
    /// As on AWS they arrive as new messages, with receipts counted from the beginning.
    pub fn redrive(&self, dead_letters: &str, destination: Option<&str>) -> Result<usize, Refusal> {
        let (moved, to) = self.with_store(|store| store.redrive(dead_letters, destination, now_ms()))?;
        for queue in to {
            self.wake(&queue);
        }
        Ok(moved)
    }

    /// The queues whose dead letters go to this one.
    pub fn dead_letter_sources(&self, dead_letters: &str) -> Result<Vec<String>, Refusal> {
        self.with_store(|store| store.dead_letter_sources(dead_letters))
    }
}

impl Store {
    fn dead_letter_sources(&self, dead_letters: &str) -> Result<Vec<String>, Refusal> {
        self.created_ms(dead_letters)?;
        let target = queue_arn(dead_letters);
        let mut sources = Vec::new();
        for name in self.names("")? {
            if self
                .settings(&name)?
                .get("RedrivePolicy")
                .is_some_and(|policy| policy.contains(&format!("\"{target}\"")))
            {
                sources.push(name);
            }
        }
        Ok(sources)
    }

    fn redrive(
        &mut self,
        dead_letters: &str,
        destination: Option<&str>,
        now_ms: i64,
    ) -> Result<(usize, Vec<String>), Refusal> {
        if self.dead_letter_sources(dead_letters)?.is_empty() {
            return Err(Refusal::invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        if let Some(queue) = destination {
            self.created_ms(queue)?;
        }
        let letters: Vec<(i64, Option<String>)> = self
            .connection
            .prepare("SELECT number, came_from FROM message WHERE queue = ? AND visible_ms <= ?")?
            .query_map(params![dead_letters, now_ms], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let transaction = self.connection.transaction()?;
        let mut to = Vec::new();
        let mut moved = 0;
        for (number, came_from) in letters {
            let source = came_from.as_deref().and_then(|arn| arn.rsplit(':').next());
            let Some(queue) = destination.or(source) else { continue };
            moved += transaction.execute(
                "UPDATE message SET queue = ?2, id = ?3, sent_ms = ?4, visible_ms = ?4, received = 0,
                        first_received_ms = NULL, came_from = NULL
                 WHERE number = ?1 AND EXISTS (SELECT 1 FROM queue WHERE name = ?2)",
                params![number, queue, new_id()?, now_ms],
            )?;
            if !to.iter().any(|known| known == queue) {
                to.push(queue.to_owned());
            }
        }
        transaction.commit()?;
        Ok((moved, to))
    }
}
