//! Exchange: messages are delivered to the chunks of the nodes that they go to, and contacts are brought into order.

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use crate::barrier::charge::Sends;
use crate::events::{Chunk, Chunks, Inbox, What};

/// Messages from which on several threads deliver them.
const MANY: usize = 1024;

/// Delivers what nodes have sent in the window. Cost: O(messages + chunks).
pub fn exchange_messages(mut chunks: ResMut<Chunks>) {
    let Chunks {
        all,
        inboxes,
        next_us,
        are_active,
        ..
    } = &mut *chunks;
    inboxes.resize_with(all.len(), Vec::new);
    let mut messages = 0;
    let active = all.iter_mut().enumerate().zip(&*are_active);
    for ((from, chunk), _) in active.filter(|(_, is_active)| **is_active) {
        for to in chunk.mailed.drain(..) {
            let mail = std::mem::take(&mut chunk.mail[to as usize]);
            messages += mail.events.len();
            inboxes[to as usize].push((from, mail));
        }
    }
    let receivers = all.iter_mut().zip(inboxes.iter_mut());
    let receivers = receivers.zip(next_us).zip(&*are_active);
    let deliveries = receivers.filter_map(|(((chunk, inbox), next_us), &is_active)| {
        let is_changed = is_active || !inbox.is_empty();
        is_changed.then_some(Delivery {
            chunk,
            inbox,
            next_us,
        })
    });
    match messages >= MANY {
        true => deliveries
            .collect::<Vec<_>>()
            .into_par_iter()
            .for_each(Delivery::deliver),
        false => deliveries.for_each(Delivery::deliver),
    }
    // Senders get the emptied lists back.
    for (to, inbox) in inboxes.iter_mut().enumerate() {
        for (from, mail) in inbox.drain(..) {
            all[from].mail[to] = mail;
        }
    }
}

/// Brings the contacts that were sent in the window into the order of (time, operation, sequence).
pub fn order_contacts(mut chunks: ResMut<Chunks>, mut sends: ResMut<Sends>) {
    sends.take(chunks.active().map(|chunk| &mut chunk.out));
}

/// A chunk that has handled events or has mail.
struct Delivery<'a> {
    chunk: &'a mut Chunk,
    inbox: &'a mut Inbox,
    /// When the chunk has its next event, µs.
    next_us: &'a mut u64,
}

impl Delivery<'_> {
    /// Delivers the mail.
    fn deliver(self) {
        let Self {
            chunk,
            inbox,
            next_us,
        } = self;
        for (_, mail) in inbox {
            for mut event in mail.events.drain(..) {
                if let What::Answer { named, .. } = &mut event.what {
                    *named = chunk.named.add(mail.named.get(*named));
                }
                chunk.messages.push(event);
            }
            mail.named.clear();
        }
        *next_us = chunk.next_us();
    }
}
