//! Batches of rows, and the thread of each table that encodes them while the simulation goes on.
//!
//! The thread does not belong to the pool that simulates. In that pool, a network could wait for a file, and a file for a
//! network. The queue of the thread is short: a simulation that is faster than the file waits for it.

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SendError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arrow::array::ArrayRef;

use super::column::{Columns, schema_of};
use super::error::RecordError;
use super::footer::RunInfo;
use super::writer::{BATCH_ROWS, QUEUE, TableWriter};
use crate::hardware::STACK_BYTES;
use crate::hardware::clock::thread_cpu;

/// The batch of a table that is being filled, and the thread that encodes it.
pub(super) struct Batches<C> {
    columns: C,
    pending: usize,
    encoder: Encoder,
}

impl<C: Columns> Batches<C> {
    /// Creates the file and starts its thread.
    pub(super) fn create(path: &Path, info: &RunInfo, mut columns: C) -> Result<Self, RecordError> {
        let schema = schema_of(&C::schema(), info.living);
        let writer = TableWriter::create(path, Arc::new(schema), info)?;
        columns.set_living(info.living);
        Ok(Batches {
            columns,
            pending: 0,
            encoder: Encoder::start(writer)?,
        })
    }

    /// Returns the columns, to push one row to each. The caller then calls [`pushed`](Self::pushed).
    #[inline]
    pub(super) fn row(&mut self) -> Result<&mut C, RecordError> {
        self.encoder.ready()?;
        Ok(&mut self.columns)
    }

    /// Counts a row, and sends the batch to the thread if it is full.
    #[inline]
    pub(super) fn pushed(&mut self) -> Result<(), RecordError> {
        self.pending += 1;
        if self.pending >= BATCH_ROWS {
            return self.flush();
        }
        Ok(())
    }

    /// Sends the batch to the thread.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        self.pending = 0;
        match self.columns.take() {
            Ok(columns) => self.encoder.send(columns),
            Err(source) => Err(self.encoder.stop()?.batch_error(source)),
        }
    }

    /// Returns the CPU time that encoding has taken so far; zero where the operating system does not measure it.
    pub(super) fn encoding(&self) -> Duration {
        Duration::from_nanos(self.encoder.spent_ns.load(Ordering::Relaxed))
    }

    /// Encodes the rows pushed so far and closes the table.
    pub(super) fn finish(mut self, complete: bool) -> Result<u64, RecordError> {
        let flushed = if self.pending > 0 && self.encoder.ready().is_ok() {
            self.flush()
        } else {
            Ok(())
        };
        self.encoder.finish(flushed, complete)
    }
}

/// The thread that encodes the batches of a table or, after its end, the table.
struct Encoder {
    running: Option<Running>,
    table: Option<Box<TableWriter>>,
    /// CPU time of the thread so far, in ns.
    spent_ns: Arc<AtomicU64>,
}

struct Running {
    queue: SyncSender<Vec<ArrayRef>>,
    thread: JoinHandle<Left>,
}

/// Result of a thread: the table, and the error that ended the thread; `Ok` if the queue ended.
type Left = (Box<TableWriter>, Result<(), RecordError>);

impl Encoder {
    fn start(table: TableWriter) -> Result<Self, RecordError> {
        let (queue, batches) = sync_channel(QUEUE);
        let spent_ns = Arc::new(AtomicU64::new(0));
        let (path, spent) = (table.path().to_owned(), Arc::clone(&spent_ns));
        let thread = thread::Builder::new()
            .name("encoder".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || encode(Box::new(table), batches, &spent))
            .map_err(|source| RecordError::Io { path, source })?;
        Ok(Self {
            running: Some(Running { queue, thread }),
            table: None,
            spent_ns,
        })
    }

    /// Returns the error of an earlier batch, if a call has returned it before.
    #[inline]
    fn ready(&self) -> Result<(), RecordError> {
        self.table.as_ref().map_or(Ok(()), |table| table.ready())
    }

    /// Puts a batch in the queue. The error may be that of an earlier batch.
    fn send(&mut self, columns: Vec<ArrayRef>) -> Result<(), RecordError> {
        let columns = match &self.running {
            Some(running) => match running.queue.send(columns) {
                Ok(()) => return Ok(()),
                Err(SendError(columns)) => columns,
            },
            None => columns,
        };
        self.stop()?.append(columns)
    }

    /// Waits until all batches of the queue are encoded, and returns the table.
    ///
    /// # Errors
    /// The first call returns the error that ended the thread. The table remembers it for later calls.
    fn stop(&mut self) -> Result<&mut TableWriter, RecordError> {
        if let Some(Running { queue, thread }) = self.running.take() {
            drop(queue);
            let (table, result) = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            self.table = Some(table);
            result?;
        }
        match &mut self.table {
            Some(table) => Ok(table),
            None => unreachable!("the table is with its thread or here"),
        }
    }

    /// Encodes the batches of the queue and closes the table. `sent` is the result of sending the last batch.
    fn finish(mut self, sent: Result<(), RecordError>, complete: bool) -> Result<u64, RecordError> {
        let encoded = sent.and(self.stop().map(drop));
        let Some(table) = self.table else {
            unreachable!("the table is here once its thread has ended");
        };
        match encoded {
            Ok(()) => table.finish(complete),
            Err(error) => {
                // Complete row groups are saved. The error says that rows are missing, so that of `finish` adds nothing.
                let _ = table.finish(false);
                Err(error)
            }
        }
    }
}

/// Appends batches until the queue ends or a batch cannot be written. This is the body of the thread.
fn encode(
    mut table: Box<TableWriter>,
    batches: Receiver<Vec<ArrayRef>>,
    spent_ns: &AtomicU64,
) -> Left {
    for columns in batches {
        let appended = table.append(columns);
        let spent = thread_cpu().unwrap_or_default();
        spent_ns.store(spent.as_nanos() as u64, Ordering::Relaxed);
        if appended.is_err() {
            // Dropping the queue makes the next send fail; the sender then takes this error.
            return (table, appended);
        }
    }
    (table, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::tests::{Folder, read};
    use super::super::writer::tests::{batch, cramped};
    use super::*;

    fn rows(path: &Path) -> usize {
        read(path).iter().map(|batch| batch.num_rows()).sum()
    }

    #[test]
    fn an_error_of_a_batch_is_returned_once_by_a_later_call_and_then_remembered() {
        let folder = Folder::new();
        for complete in [true, false] {
            let path = folder.path("full.parquet");
            let mut encoder = Encoder::start(cramped(&path, 20_000)).unwrap();
            let first = (0..100).find_map(|salt| encoder.send(batch(700, salt)).err());
            let first = first.expect("a few batches wait, no more");
            assert!(matches!(first, RecordError::Parquet { .. }), "{first}");
            assert!(matches!(encoder.ready(), Err(RecordError::Failed { .. })));
            let again = encoder.send(batch(1, 0)).unwrap_err();
            assert!(matches!(again, RecordError::Failed { .. }), "{again}");
            let finished = encoder.finish(Ok(()), complete);
            assert_eq!(finished.is_err(), complete, "{finished:?}");
            assert!(rows(&path) >= 1000);
        }
    }

    #[test]
    fn finish_returns_an_error_that_no_call_has_returned_yet() {
        let folder = Folder::new();
        for complete in [true, false] {
            let path = folder.path("late.parquet");
            let mut encoder = Encoder::start(cramped(&path, 10_000)).unwrap();
            // Two row groups, of which the disk takes one; both are in the queue before that is known.
            encoder.send(batch(2000, 0)).unwrap();
            let error = encoder.finish(Ok(()), complete).unwrap_err();
            assert!(matches!(error, RecordError::Parquet { .. }), "{error}");
            assert_eq!(rows(&path), 1000);
        }
    }

    #[test]
    fn batches_in_the_queue_are_written_before_the_file_is_closed() {
        let folder = Folder::new();
        let path = folder.path("queue.parquet");
        let mut encoder = Encoder::start(cramped(&path, 1 << 20)).unwrap();
        for salt in 0..QUEUE as u64 + 1 {
            encoder.send(batch(1500, salt)).unwrap();
        }
        assert_eq!(
            encoder.finish(Ok(()), true).unwrap(),
            1500 * (QUEUE as u64 + 1)
        );
        assert_eq!(rows(&path), 1500 * (QUEUE + 1));
    }

    #[cfg(unix)]
    #[test]
    fn encoding_takes_time_of_its_own() {
        let folder = Folder::new();
        let mut encoder = Encoder::start(cramped(&folder.path("time.parquet"), 1 << 26)).unwrap();
        let begun = Instant::now();
        for salt in 0..20 {
            encoder.send(batch(20_000, salt)).unwrap();
        }
        encoder.stop().unwrap();
        let spent = Duration::from_nanos(encoder.spent_ns.load(Ordering::Relaxed));
        assert!(
            spent > Duration::ZERO && spent <= begun.elapsed(),
            "{spent:?}"
        );
        assert_eq!(encoder.finish(Ok(()), true).unwrap(), 400_000);
    }
}
