package vfio.shell;

/** A result that knows how it looks in the three formats of {@link org.apache.felix.service.command.Converter}. */
interface Rendered {
    /** In detail, on one or more lines, without a line end at the end. */
    String inspect();

    /** On one line. */
    String line();

    /** Short, just enough to identify it. */
    String part();
}
