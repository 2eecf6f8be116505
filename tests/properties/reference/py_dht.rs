//! py-dht's procedure in the reference simulator. Costs of contacts, effects of answers and stores are those of the
//! procedure by the clock.

use super::{Contacted, Reference, Running, Status};

impl Reference {
    /// Evaluates the lookup of an operation, which starts now, whole. Returns how long it takes, µs.
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
                // What is in the buffer stays abandoned.
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
            // The first of equals, both times.
            let cheapest = (0..alpha).min_by_key(|&place| buffer[place].total_us);
            let handled = buffer.remove(cheapest.unwrap());
            *lanes_us.iter_mut().min().unwrap() += handled.total_us;
            // All is evaluated at the start: what the remote holds then.
            let answer = (handled.distance, handled.is_ok);
            self.take(operation, answer, (start_us, start_us));
        }
    }
}
