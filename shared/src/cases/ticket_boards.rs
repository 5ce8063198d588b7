//! The board of the service desk: read from counters, never from all tickets.

use std::collections::BTreeMap;

use futures_util::future::try_join4;

use crate::app::App;
use crate::cases::Error;
use crate::domain::board::{Lines, QueueFigure, TicketBoard};
use crate::domain::tally::Figures;
use crate::table::TicketList;
use crate::values::{Category, Code, LocalDay};

/// The days before a span with which its complaints are compared.
const HISTORY_DAYS: u32 = 28;
/// Tickets of a queue that are read at once.
const PAGE: i32 = 500;

/// Boards of the service desk.
#[derive(Clone, Copy, Debug)]
pub struct TicketBoards<'a>(pub(crate) &'a App);

impl App {
    /// Boards of the service desk.
    #[must_use]
    pub const fn ticket_boards(&self) -> TicketBoards<'_> {
        TicketBoards(self)
    }
}

impl TicketBoards<'_> {
    /// The board of a span of days, and the queues as they are now. Twenty-four calls for any span, and one more per
    /// 500 tickets and department of the queues.
    pub async fn read(&self, from: LocalDay, until: LocalDay) -> Result<TicketBoard, Error> {
        let table = self.0.table();
        let days = async { Ok(table.ticket_figures(from, until).await?) };
        let now = async { Ok(table.line_figures(from, until).await?) };
        let before = async { Ok(table.line_figures(from.minus(HISTORY_DAYS), from.minus(1)).await?) };
        let (days, now, before, queues) = Box::pin(try_join4(days, now, before, self.queues())).await?;
        let mut figures = Figures::default();
        for (name, by) in days.iter().flat_map(|(_, day)| day.all()) {
            figures.raise(name, by);
        }
        let now = by_line(now).into_iter().map(|(line, (opened, complaints))| (line, opened, complaints));
        let before = by_line(before).into_iter().map(|(line, (_, complaints))| (line, complaints));
        let lines = Lines { now: now.collect(), before: before.collect() };
        Ok(TicketBoard::of(from, until, &figures, &lines, queues))
    }

    async fn queues(&self) -> Result<Vec<QueueFigure>, Error> {
        let version = self.0.desks().current().await?;
        let mut queues = Vec::new();
        for department in &version.desk.departments {
            queues.extend(self.queue(&department.id).await?);
        }
        Ok(queues)
    }

    async fn queue(&self, department: &Code) -> Result<Vec<QueueFigure>, Error> {
        let list = TicketList::Queue(department.clone());
        let (mut tickets, mut from) = (Vec::new(), None);
        loop {
            let page = self.0.table().tickets(&list, from.as_ref(), PAGE).await?;
            tickets.extend(page.tickets.into_iter().map(|stored| stored.ticket));
            from = page.next;
            if from.is_none() {
                return Ok(QueueFigure::of(department, &tickets, self.0.now()));
            }
        }
    }
}

fn by_line(counted: Vec<(LocalDay, Category, Figures)>) -> BTreeMap<Category, (u64, u64)> {
    let mut lines = BTreeMap::<Category, (u64, u64)>::new();
    for (_, line, figures) in counted {
        let sum = lines.entry(line).or_default();
        *sum = (sum.0 + figures.get("opened"), sum.1 + figures.get("complaints"));
    }
    lines
}
