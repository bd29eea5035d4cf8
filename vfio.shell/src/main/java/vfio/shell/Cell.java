package vfio.shell;

/**
 * One field of a row.
 *
 * @param title of its column
 * @param text what is shown
 * @param number whether it is aligned to the right
 */
record Cell(String title, String text, boolean number) {
    /** What stands for something that is not there. */
    static final String NONE = "-";

    static Cell text(String title, Object value) {
        return new Cell(title, value.toString(), false);
    }

    static Cell number(String title, long value) {
        return new Cell(title, Long.toString(value), true);
    }

    static Cell hex(String title, long value) {
        return new Cell(title, "0x" + Long.toHexString(value), true);
    }
}
