/* Empty: BCC includes it, nothing of it is needed here. */
