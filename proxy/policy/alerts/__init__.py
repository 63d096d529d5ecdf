"""When something is worth a message: rules over figures, and the episodes they make. Pure: time is an argument."""
