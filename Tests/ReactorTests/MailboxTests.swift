import Glibc
import Reactor
import Testing

@Suite struct MailboxTests {
  @Test func messagesComeInTheirOrder() throws {
    let mailbox = try Mailbox<Int>()
    for message in 0..<100 { mailbox.post(message) }
    #expect(mailbox.takeAll() == Array(0..<100))
    // Each once.
    #expect(mailbox.takeAll() == [])
    mailbox.post(7)
    #expect(mailbox.takeAll() == [7])
  }

  @Test func anEmptyMailboxHasNothingAndDoesNotBlock() throws {
    let mailbox = try Mailbox<String>()
    #expect(!WakerTests.isReady(mailbox.waker.descriptor))
    #expect(mailbox.takeAll() == [])
  }

  @Test func wakesUntilAllIsTaken() throws {
    let mailbox = try Mailbox<Int>()
    mailbox.post(1)
    mailbox.post(2)
    #expect(WakerTests.isReady(mailbox.waker.descriptor))
    #expect(mailbox.takeAll() == [1, 2])
    #expect(!WakerTests.isReady(mailbox.waker.descriptor))
    mailbox.post(3)
    #expect(WakerTests.isReady(mailbox.waker.descriptor))
  }

  /// Several threads post while one takes: nothing is lost, nothing comes twice, and what one thread posts stays in order.
  @Test(.timeLimit(.minutes(10)))
  func nothingIsLostBetweenThreads() throws {
    let mailbox = try Mailbox<(sender: Int, number: Int)>()
    let poller = try Poller(eventsPerWait: 4)
    try poller.add(mailbox.waker.descriptor, token: Token(slot: 1, generation: 0), for: .readable)
    let count = 5_000
    let threads = try (0..<3).map { sender in
      try Thread {
        for number in 0..<count { mailbox.post((sender, number)) }
      }
    }
    var seen = [0, 0, 0]
    while seen.reduce(0, +) < 3 * count {
      // A message without a wake would be waited for for ever.
      #expect(poller.wait(milliseconds: -1) == 1)
      for message in mailbox.takeAll() {
        #expect(message.number == seen[message.sender])
        seen[message.sender] += 1
      }
    }
    for thread in threads { thread.join() }
    #expect(seen == [count, count, count])
    #expect(mailbox.takeAll().isEmpty)
  }

  /// What is left in it goes with it.
  @Test func messagesEndWithTheMailbox() throws {
    final class Message: Sendable {}
    weak var message: Message?
    do {
      let mailbox = try Mailbox<Message>()
      let posted = Message()
      message = posted
      mailbox.post(posted)
    }
    #expect(message == nil)
  }

  @Test func whatWasTakenIsNotKept() throws {
    final class Message: Sendable {}
    weak var message: Message?
    let mailbox = try Mailbox<Message>()
    do {
      let posted = Message()
      message = posted
      mailbox.post(posted)
    }
    #expect(mailbox.takeAll().count == 1)
    #expect(message == nil)
  }
}
