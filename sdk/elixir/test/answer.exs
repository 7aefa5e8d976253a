# Answers the cases on its standard input, one a line.
Code.require_file("cases.exs", __DIR__)
:ok = :io.setopts(:standard_io, encoding: :latin1)
IO.binwrite(Cases.answer_all(IO.binread(:stdio, :eof)))
