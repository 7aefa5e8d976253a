defmodule Gatepass.SigningError do
  @moduledoc "Nothing was signed. `code`: `:settings_invalid`, `:path_invalid` or `:policy_malformed`."
  defexception [:code, :message]
  @type t :: %__MODULE__{code: :settings_invalid | :path_invalid | :policy_malformed, message: String.t()}
end

defmodule Gatepass.ReceiptError do
  @moduledoc "A receipt is not believed. `code`: `:malformed`, `:signature_invalid` or `:expired`."
  defexception [:code, :message]
  @type t :: %__MODULE__{code: :malformed | :signature_invalid | :expired, message: String.t()}
end
