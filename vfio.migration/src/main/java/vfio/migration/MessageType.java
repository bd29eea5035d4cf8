package vfio.migration;

import java.util.Optional;

/** The messages between two runtimes that move a device; {@code docs/migration.md} has their order and content. */
enum MessageType {
    /** What is to come: version, identity, address, and the memory of the client. */
    HELLO(1),
    /** The target takes it, with so much of the memory. */
    ACCEPT(2),
    /** It does not, or cannot go on: errno and a sentence. */
    REFUSE(3),
    /** Bytes of memory. */
    MEMORY(4),
    /** Bytes of the device's state. */
    STATE(5),
    /** That was all of the state. */
    LOAD(6),
    /** The target has taken it over and could run the device. */
    LOADED(7),
    /** The source will not run it any more. */
    COMMIT(8),
    /** The target runs it. */
    RUNNING(9),
    /** That was a round of memory. */
    ROUND(10),
    /** The target has stored it. */
    STORED(11);

    private final int number;

    MessageType(int number) {
        this.number = number;
    }

    int number() {
        return number;
    }

    static Optional<MessageType> of(int number) {
        for (MessageType type : values()) {
            if (type.number == number) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }
}
