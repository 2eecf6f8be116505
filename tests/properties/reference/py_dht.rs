//! py-dht's procedure in the reference simulator. Contacts, answers and stores have the code of the procedure by the
//! clock.

use super::contact::{Completed, Contacted};
use super::{Reference, Running, Status};

impl Reference {
    /// Evaluates the whole lookup of an operation that starts now. Returns how long it takes, µs.
    pub(super) fn evaluate(&mut self, operation: &mut Running) -> u64 {
        let alpha = self.rules.alpha as usize;
        let start_us = operation.start_us;
        let mut lanes_us = vec![0; alpha];
        let mut buffer: Vec<Contacted> = Vec::new();
        loop {
            let is_idle = operation.idle_steps == self.rules.steps_to_stop;
            let mut known = operation.known.values();
            let has_candidate = known.any(|known| known.status == Status::Candidate);
            if is_idle || operation.holder.is_some() || !has_candidate {
                // Contacts in the buffer are abandoned.
                return lanes_us.into_iter().max().unwrap();
            }
            while buffer.len() < alpha
                && let Some(contacted) = self.contact_nearest(operation, start_us)
            {
                buffer.push(contacted);
            }
            if buffer.len() < alpha {
                continue;
            }
            // Of equal costs and equal lanes the first counts.
            let cheapest = (0..alpha).min_by_key(|&index| buffer[index].total_us);
            let handled = buffer.remove(cheapest.unwrap());
            *lanes_us.iter_mut().min().unwrap() += handled.total_us;
            let acts_us = start_us + handled.acts_us.unwrap_or(0);
            let completed = Completed {
                distance: handled.distance,
                outcome: handled.outcome,
                acts_us,
                // The remote answers with what it holds at the operation's start. Where nodes come and go, what it is when the
                // request arrives decides.
                stored_us: if self.is_living { acts_us } else { start_us },
                back_us: start_us,
            };
            self.take(operation, completed);
        }
    }
}
