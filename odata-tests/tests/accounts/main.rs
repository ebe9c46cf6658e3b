//! Accounts and their mails, on both databases, with a mail server that the test plays: what a stranger, a user and an administrator
//! can do, what nobody learns, and that no mail is lost.

mod attempts;
mod invitations;
mod mails;
mod scene;
mod secrets;
mod story;
